"""A release on disk, finished or being written, and what its audit says."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

from daybreak.errors import ReleaseError
from daybreak.files import fsync_file, sha256_of, write_atomically
from daybreak.releases.manifest import MANIFEST_FILE, FileEntry, Manifest

AUDIT_FILE = "audit.json"


@dataclass(frozen=True)
class Check:
    """One result of an audit."""

    name: str
    passed: bool
    detail: str = ""


@dataclass(frozen=True)
class Release:
    """A finished release on disk."""

    id: str
    path: Path
    manifest: Manifest

    def file(self, name: str) -> Path:
        """The path of a file that the manifest lists."""
        if name not in self.manifest.files:
            raise ReleaseError(f"release {self.id} holds no file {name}; it holds: {', '.join(self.manifest.files)}")
        return self.path / name

    @property
    def stands_on(self) -> str:
        """The release that stands by itself: the one that this one adds to, or this one."""
        return self.manifest.base or self.id

    @property
    def checks(self) -> list[Check] | None:
        """The results of its audit; None before it was audited."""
        try:
            document = json.loads((self.path / AUDIT_FILE).read_bytes())
            if document["content_digest"] != self.manifest.content_digest:
                return None
            return [Check(**check) for check in document["checks"]]
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError) as error:
            raise ReleaseError(
                f"the audit of release {self.id} cannot be read ({error}); run its publish step again"
            ) from None

    @property
    def is_good(self) -> bool:
        """Whether it was audited and every check passed."""
        checks = self.checks
        return checks is not None and all(check.passed for check in checks)


class Draft:
    """A release being written. Put files under `path`, then `add` each."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.release_id = ""
        self._manifest = manifest

    def add(self, name: str, rows: int) -> None:
        """Records a finished file: its size, checksum and number of rows."""
        path = self.path / name
        fsync_file(path)
        entry = FileEntry(bytes=path.stat().st_size, sha256=sha256_of(path), rows=rows)
        self._manifest = replace(self._manifest, files={**self._manifest.files, name: entry})

    def take(self, name: str, release: Release) -> None:
        """Takes a file of a finished release as it is: by a link where the disk can, so that it costs nothing."""
        source = release.file(name)
        try:
            os.link(source, self.path / name)
        except OSError:
            shutil.copyfile(source, self.path / name)
            fsync_file(self.path / name)
        entry = release.manifest.files[name]
        self._manifest = replace(self._manifest, files={**self._manifest.files, name: entry})

    @property
    def files(self) -> dict[str, FileEntry]:
        """What was added so far."""
        return dict(self._manifest.files)

    def finish(self) -> Manifest:
        """Writes the manifest, last."""
        strays = {path.name for path in self.path.iterdir()} - set(self._manifest.files)
        if strays:
            raise ReleaseError(f"draft {self.path.name} holds files nobody added: {', '.join(sorted(strays))}")
        write_atomically(self.path / MANIFEST_FILE, self._manifest.to_bytes())
        self.release_id = self._manifest.release_id
        return self._manifest
