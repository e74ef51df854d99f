"""A model on disk: one folder that says what it holds, to the byte.

    model.json     kind, configuration, facts, what it was built from, and size and checksum of every file
    arrays/*.npy   its arrays, in numpy's own format, without pickles
    files/*        whatever else it is made of, such as an .onnx

The digest covers what the model is: kind, configuration, facts, arrays and files. What it was built from (versions of
tables, code) stands beside it, as in the manifest of a release: a night that is run again and learns the same has the
same model. Written beside and renamed, so that a bundle is whole or not there.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from daybreak.errors import ModelError
from daybreak.files import LEFTOVER, fsync_dir, fsync_file, is_alive, sha256_of, write_atomically

FORMAT = 1
DOCUMENT = "model.json"
ARRAYS, FILES = "arrays", "files"
PLAIN_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.\-]*")
WAY_OUT = "fetch it again, or train it again"


class Unusable(ModelError):
    """A bundle that is not whole."""

    def __init__(self, folder: Path, why: str) -> None:
        super().__init__(f"the model in {folder} cannot be used: {why}; {WAY_OUT}")
        self.why = why


@dataclass(frozen=True)
class Entry:
    """One file of a bundle."""

    bytes: int
    sha256: str


@dataclass(frozen=True)
class Bundle:
    """A finished model on disk."""

    folder: Path
    kind: str
    config: dict[str, Any]
    facts: dict[str, Any]
    built_from: dict[str, Any]
    entries: dict[str, Entry]

    @property
    def digest(self) -> str:
        """Equal for two bundles exactly when they are the same model, wherever and whenever they were written."""
        content = {"format": FORMAT, **self._content()}
        return hashlib.sha256(_as_json(content)).hexdigest()

    @property
    def size_bytes(self) -> int:
        return sum(entry.bytes for entry in self.entries.values())

    @property
    def arrays(self) -> list[str]:
        """The names of its arrays."""
        return [Path(name).stem for name in sorted(self.entries) if name.startswith(f"{ARRAYS}/")]

    def array(self, name: str, *, in_memory: bool = True) -> npt.NDArray[Any]:
        """An array by its name; else mapped from disk, read where it is touched."""
        path = self._listed(f"{ARRAYS}/{name}.npy", f"array {name}")
        return np.load(path, mmap_mode=None if in_memory else "r", allow_pickle=False)

    def path(self, name: str) -> Path:
        """Where a further file lies."""
        return self._listed(f"{FILES}/{name}", f"file {name}")

    def verify(self) -> None:
        """Proves that every file is there, whole and unchanged."""
        for name, entry in sorted(self.entries.items()):
            path = self.folder / name
            if not path.is_file():
                raise Unusable(self.folder, f"file {name} is missing")
            size = path.stat().st_size
            if size != entry.bytes:
                raise Unusable(self.folder, f"file {name} has {size} bytes and should have {entry.bytes}")
            if sha256_of(path) != entry.sha256:
                raise Unusable(self.folder, f"the checksum of file {name} does not match {DOCUMENT}")

    def _listed(self, name: str, what: str) -> Path:
        if name not in self.entries:
            held = ", ".join(sorted(self.entries)) or "nothing"
            raise ModelError(f"the {self.kind} model in {self.folder} holds no {what}; it holds: {held}")
        return self.folder / name

    def _content(self) -> dict[str, Any]:
        entries = {name: asdict(entry) for name, entry in sorted(self.entries.items())}
        return {"kind": self.kind, "config": self.config, "facts": self.facts, "entries": entries}

    def to_bytes(self) -> bytes:
        """The document of the bundle."""
        document = {"format": FORMAT, "digest": self.digest, **self._content(), "built_from": self.built_from}
        return json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"


def write_bundle(
    folder: Path,
    kind: str,
    config: Mapping[str, Any],
    facts: Mapping[str, Any],
    arrays: Mapping[str, npt.NDArray[Any]],
    files: Mapping[str, Path] | None = None,
    built_from: Mapping[str, Any] | None = None,
) -> Bundle:
    """Writes a model to `folder`, once: where the same lies there already it stays, and another one is not replaced.
    `files` are copied in under their names; what is in `facts` is part of the model, so neither times nor paths belong
    there."""
    with _beside(folder) as draft:
        entries: dict[str, Entry] = {}
        for name, array in arrays.items():
            entries |= _entry(draft, f"{ARRAYS}/{_plain(name)}.npy", array)
        for name, source in (files or {}).items():
            entries |= _entry(draft, f"{FILES}/{_plain(name)}", source)
        bundle = Bundle(folder, kind, _plainly(config), _plainly(facts), _plainly(built_from or {}), entries)
        write_atomically(draft / DOCUMENT, bundle.to_bytes())
    return bundle


def open_bundle(folder: Path, verify: bool = True) -> Bundle:
    """The model in `folder`; by default every byte of it is looked at first."""
    path = folder / DOCUMENT
    try:
        document = json.loads(path.read_bytes())
        if document["format"] != FORMAT:
            raise Unusable(folder, f"its format is {document['format']}, this program reads {FORMAT}")
        entries = {name: Entry(**entry) for name, entry in document["entries"].items()}
        bundle = Bundle(
            folder, document["kind"], document["config"], document["facts"], document["built_from"], entries
        )
    except (FileNotFoundError, NotADirectoryError):
        raise Unusable(folder, f"it has no {DOCUMENT}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise Unusable(folder, f"its {DOCUMENT} cannot be read ({error!r})") from None
    if document["digest"] != bundle.digest:
        raise Unusable(folder, f"its {DOCUMENT} was changed after it was written")
    if verify:
        bundle.verify()
    return bundle


def _entry(draft: Path, name: str, content: npt.NDArray[Any] | Path) -> dict[str, Entry]:
    """Writes one file of a draft, durably."""
    path = draft / name
    path.parent.mkdir(exist_ok=True)
    if isinstance(content, Path):
        shutil.copyfile(content, path)
    else:
        try:
            np.save(path, np.require(content, requirements="C"), allow_pickle=False)
        except ValueError as error:
            raise ModelError(f"array {path.stem} cannot be kept in a model: {error}; give it a plain type") from None
    fsync_file(path)
    return {name: Entry(path.stat().st_size, sha256_of(path))}


@contextlib.contextmanager
def _beside(folder: Path) -> Iterator[Path]:
    """A folder to be filled in the block; when the block ends it is renamed to `folder`, unless the same is there."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    _sweep(folder)
    draft = folder.with_name(f".{folder.name}.{os.getpid()}{LEFTOVER}")
    draft.mkdir()
    try:
        yield draft
        for path in (*(each for each in draft.iterdir() if each.is_dir()), draft):
            fsync_dir(path)
        if not _is_there(folder, open_bundle(draft, verify=False).digest):
            draft.rename(folder)
            fsync_dir(folder.parent)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _is_there(folder: Path, digest: str) -> bool:
    """Whether `folder` holds that very model. One that is not whole is removed; another one is not."""
    if not folder.exists():
        return False
    try:
        there = open_bundle(folder)
    except Unusable:
        shutil.rmtree(folder)
        return False
    if there.digest != digest:
        raise ModelError(
            f"{folder} holds another model ({there.digest[:12]}) than the one to be written there ({digest[:12]}):"
            " give each model a folder of its own, or remove that one first"
        )
    return True


def _sweep(folder: Path) -> None:
    """Removes what writers of this folder left that died, also one that had this process's number."""
    for left in folder.parent.glob(f".{folder.name}.*{LEFTOVER}"):
        writer = left.name.removesuffix(LEFTOVER).rpartition(".")[2]
        if writer.isdecimal() and (int(writer) == os.getpid() or not is_alive(int(writer))):
            shutil.rmtree(left, ignore_errors=True)


def _plain(name: str) -> str:
    if not PLAIN_NAME.fullmatch(name):
        raise ModelError(f"'{name}' cannot name a part of a model: use letters, digits, '_', '-' and '.'")
    return name


def _plainly(values: Mapping[str, Any]) -> dict[str, Any]:
    """The values as they will be read back, so that a bundle that was written equals the one that is opened."""
    try:
        return dict(json.loads(_as_json(dict(values))))
    except (TypeError, ValueError) as error:
        raise ModelError(f"a model's configuration and facts must be plain values: {error}") from None


def _as_json(values: Any) -> bytes:
    return json.dumps(values, sort_keys=True, allow_nan=False).encode()
