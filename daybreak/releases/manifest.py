"""The manifest of a release: what is in it, to the byte, and what it was made from.

The content digest covers what a reader can see: day, model, surfaces and every file's checksum. What the release was
built from (table versions, code, settings) stands beside it and does not change the digest: a night that is rebuilt to
the same bytes is the same release.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from daybreak.errors import ReleaseError
from daybreak.files import sha256_of

MANIFEST_FILE = "manifest.json"
FORMAT = 1


def day_of(release_id: str) -> str:
    """The day that a release id begins with."""
    return release_id.rsplit("-", 1)[0]


@dataclass(frozen=True)
class FileEntry:
    """One file of a release."""

    bytes: int
    sha256: str
    rows: int


@dataclass(frozen=True)
class Manifest:
    """What a release holds and where it came from. `base` is the release that it only adds to, as an hour adds to its
    night; None where it stands by itself."""

    ds: str
    model: str
    surfaces: tuple[str, ...]
    files: dict[str, FileEntry]
    built_from: dict[str, Any] = field(default_factory=dict)
    base: str | None = None

    @property
    def content_digest(self) -> str:
        """Equal for two releases exactly when a reader cannot tell them apart."""
        content = {
            "format": FORMAT,
            "ds": self.ds,
            "model": self.model,
            "surfaces": sorted(self.surfaces),
            "files": {name: asdict(entry) for name, entry in sorted(self.files.items())},
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def release_id(self) -> str:
        return f"{self.ds}-{self.content_digest[:12]}"

    def to_bytes(self) -> bytes:
        document = {"format": FORMAT, "content_digest": self.content_digest, **asdict(self)}
        return json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"

    @classmethod
    def read(cls, folder: Path) -> Manifest:
        """The manifest of the release in `folder`, whose own digest must fit."""
        path = folder / MANIFEST_FILE
        try:
            document = json.loads(path.read_bytes())
            if document["format"] != FORMAT:
                raise ReleaseError(f"{path}: its format is {document['format']}, this program reads {FORMAT}")
            manifest = cls(
                ds=document["ds"],
                model=document["model"],
                surfaces=tuple(document["surfaces"]),
                files={name: FileEntry(**entry) for name, entry in document["files"].items()},
                built_from=document["built_from"],
                base=document["base"],
            )
        except FileNotFoundError:
            raise ReleaseError(f"release {folder.name} has no {MANIFEST_FILE}: it was never finished") from None
        except (ValueError, KeyError, TypeError) as error:
            raise ReleaseError(f"{path} cannot be read: {error}; build the release again") from None
        if document["content_digest"] != manifest.content_digest:
            raise ReleaseError(f"{path} was changed after it was written; build the release again")
        return manifest

    def verify(self, folder: Path) -> None:
        """Proves that every file is there, whole and unchanged."""
        for name, entry in self.files.items():
            path = folder / name
            if not path.is_file():
                raise ReleaseError(f"release {folder.name}: file {name} is missing; roll back or build it again")
            size = path.stat().st_size
            if size != entry.bytes:
                raise ReleaseError(f"release {folder.name}: file {name} has {size} bytes and should have {entry.bytes}")
            if sha256_of(path) != entry.sha256:
                raise ReleaseError(f"release {folder.name}: the checksum of file {name} does not match its manifest")
