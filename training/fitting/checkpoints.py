"""A fit's state on disk, to be taken up again after the process was killed.

A checkpoint replaces the one before in one step. It ends with the digest of its content, so that one that was cut short
or changed is found out before anything is loaded, and it says which fit it is of.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import torch

from daybreak.errors import InputError
from daybreak.files import written_beside

DIGEST_BYTES = hashlib.sha256().digest_size
IDENTITY = "identity"


def save(path: Path, identity: Mapping[str, str], state: Mapping[str, Any]) -> None:
    """Writes the state of the fit of that identity: tensors, numbers, texts, and lists and dicts of them."""
    with written_beside(path) as file:
        digesting = _Digesting(file)
        torch.save({**state, IDENTITY: dict(identity)}, digesting)  # type: ignore[arg-type]
        file.write(digesting.digest.digest())


def read(path: Path) -> bytes | None:
    """The checkpoint as it lies on disk; None where there is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def restored(content: bytes, path: Path, identity: Mapping[str, str]) -> dict[str, Any]:
    """The state in a checkpoint that was read from `path`, found whole and of the fit of that identity."""
    payload, digest = content[:-DIGEST_BYTES], content[-DIGEST_BYTES:]
    if hashlib.sha256(payload).digest() != digest:
        raise InputError(
            f"the checkpoint {path} is cut short or changed: expected the digest of its content at its end, but its "
            f"{len(content):,} bytes end otherwise; delete it to begin anew"
        )
    state: dict[str, Any] = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    found = state.pop(IDENTITY)
    other = [name for name in sorted({*found, *identity}) if found.get(name) != identity.get(name)]
    if other:
        differences = ", ".join(f"{name} {identity.get(name)} but found {found.get(name)}" for name in other)
        raise InputError(
            f"the checkpoint {path} is of another fit: expected {differences}; delete it to begin anew, or give this "
            "fit a path of its own"
        )
    return state


class _Digesting:
    """Writes to a file and digests what it writes."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.digest = hashlib.sha256()

    def write(self, content: bytes) -> int:
        self.digest.update(content)
        return self.file.write(content)

    def flush(self) -> None:
        self.file.flush()
