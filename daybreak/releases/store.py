"""The folder of releases of one channel: build, audit, publish, roll back, pin, clean up.

    <root>/<channel>/CURRENT                the pointer
                    /<ds>-<digest>/         a release: manifest.json, audit.json and its files
                    /.draft-<pid>-<n>/      one being written; nobody reads it
                    /.unproven-<pid>-<n>    the id of one that its writer has still to audit

A release is written beside, renamed into place whole, audited, and only then may the pointer name it. There is no
other implementation of this: lists, indexes and whatever comes later publish through here.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from daybreak.errors import ReleaseError, StaleAttempt
from daybreak.files import fsync_dir, is_alive, locked, remove_leftovers, write_atomically
from daybreak.releases.manifest import Manifest, day_of
from daybreak.releases.pointer import Pointer
from daybreak.releases.release import AUDIT_FILE, Check, Draft, Release

POINTER_FILE = "CURRENT"
DRAFT_PREFIX = ".draft-"
TRASH_PREFIX = ".trash-"
UNPROVEN_PREFIX = ".unproven-"
_numbers = itertools.count()
_open_drafts: set[Path] = set()


class ReleaseStore:
    """The releases of one channel."""

    def __init__(self, root: Path, channel: str = "lists") -> None:
        self.folder = root / channel
        self.pointer_path = self.folder / POINTER_FILE

    # Reading

    def pointer(self) -> Pointer | None:
        return Pointer.read(self.pointer_path)

    def current_id(self) -> str | None:
        pointer = self.pointer()
        return pointer.release if pointer else None

    def current(self, verify: bool = True) -> Release:
        """The live release."""
        release_id = self.current_id()
        if release_id is None:
            raise ReleaseError(f"nothing is published in {self.folder} yet; run a night first: daybreak nightly")
        return self.open(release_id, verify=verify)

    def open(self, release_id: str, verify: bool = True) -> Release:
        """A release by its id, or by an unmistakable beginning of it: a day means its night, whatever was added."""
        path = self.folder / self._full_id(release_id)
        manifest = Manifest.read(path)
        if manifest.release_id != path.name:
            raise ReleaseError(f"release {path.name} holds the manifest of {manifest.release_id}; build it again")
        if verify:
            manifest.verify(path)
        return Release(path.name, path, manifest)

    def finished(self) -> list[Release]:
        """Every finished release, the newest day first."""
        return [self.open(name, verify=False) for name in self.ids()]

    def ids(self) -> list[str]:
        """Every release folder, the newest day first, whether what is in it can be read or not."""
        return sorted(self._ids(), reverse=True)

    def _ids(self) -> Iterable[str]:
        if not self.folder.is_dir():
            return []
        return [path.name for path in self.folder.iterdir() if path.is_dir() and not path.name.startswith(".")]

    def _full_id(self, release_id: str) -> str:
        if not release_id:
            raise ReleaseError("a release id must not be empty; `daybreak releases list` shows them")
        matches = [name for name in self._ids() if name.startswith(release_id)]
        if release_id in matches:
            return release_id
        if len(matches) > 1:
            matches = [name for name in matches if not self._adds_to_another(name)] or matches
        if len(matches) != 1:
            found = "none" if not matches else f"{len(matches)}: {', '.join(sorted(matches))}"
            raise ReleaseError(
                f"one release should be called '{release_id}', found {found}; see `daybreak releases list`"
            )
        return matches[0]

    def _adds_to_another(self, release_id: str) -> bool:
        try:
            return Manifest.read(self.folder / release_id).base is not None
        except ReleaseError:
            return False

    # Writing

    @contextlib.contextmanager
    def build(
        self, *, ds: str, model: str, surfaces: Iterable[str], built_from: dict[str, Any], base: str | None = None
    ) -> Iterator[Draft]:
        """Writes a release: the block fills the draft, the end of the block renames it into place, whole.

        The same content built again is the same release: the draft is dropped and the release that is there stays. No
        clean-up takes it before this process has audited it.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        self._sweep()
        path = self.folder / f"{DRAFT_PREFIX}{os.getpid()}-{next(_numbers)}"
        _open_drafts.add(path)
        try:
            path.mkdir()
            draft = Draft(path, Manifest(ds, model, tuple(surfaces), {}, built_from, base))
            yield draft
            manifest = draft.finish()
            self._move_in(path, manifest)
        finally:
            shutil.rmtree(path, ignore_errors=True)
            _open_drafts.discard(path)

    def _move_in(self, path: Path, manifest: Manifest) -> None:
        place = self.folder / manifest.release_id
        with locked(self.folder / ".lock"):
            mark = self.folder / f"{UNPROVEN_PREFIX}{os.getpid()}-{next(_numbers)}"
            write_atomically(mark, manifest.release_id.encode())
            if place.exists():
                if self._is_whole(place):
                    return
                self._discard(place)
            path.rename(place)
            fsync_dir(self.folder)

    @staticmethod
    def _is_whole(place: Path) -> bool:
        try:
            Manifest.read(place).verify(place)
        except ReleaseError:
            return False
        return True

    def audit(self, release_id: str, checks: Iterable[Callable[[Release], Check]]) -> list[Check]:
        """Verifies the bytes, runs the checks on the release as it lies on disk, and records the results beside it. A
        release that has been live was proven: a later verdict is returned, and does not take that back."""
        release = self.open(release_id, verify=True)
        results = [Check("checksums", True), *(check(release) for check in checks)]
        document = {
            "content_digest": release.manifest.content_digest,
            "checks": [asdict(result) for result in results],
        }
        with locked(self.folder / ".lock"):
            self.open(release_id, verify=False)
            if not (release.is_good and release.id in self._were_live()):
                write_atomically(release.path / AUDIT_FILE, json.dumps(document, indent=2).encode() + b"\n")
            for mark, writer in self._unproven().items():
                if writer == os.getpid() and mark.read_text() == release.id:
                    mark.unlink()
        return results

    def _were_live(self) -> set[str]:
        pointer = self.pointer()
        return pointer.were_live if pointer else set()

    def _unproven(self) -> dict[Path, int]:
        """What marks releases that are still to be audited, and by which process."""
        return {mark: int(mark.name.rsplit("-", 2)[1]) for mark in self.folder.glob(f"{UNPROVEN_PREFIX}*")}

    # Flipping

    def publish(self, release_id: str, *, reason: str, token: int = 0, instead_of: str | None = None) -> Release:
        """Makes an audited release live. Where a newer attempt at the same day has published, the older one is
        refused; so is one that was made to stand `instead_of` a release that is not live any more."""
        with locked(self.folder / ".lock"):
            release = self._good(release_id)
            pointer = self.pointer()
            if pointer is None:
                Pointer.first(release.id, reason, token).write(self.pointer_path)
                return release
            if pointer.pinned:
                raise ReleaseError(
                    f"{pointer.release} is pinned, so {release.id} was not published; `daybreak releases unpin` first"
                )
            if instead_of is not None and pointer.release != instead_of:
                raise StaleAttempt(
                    f"{release.id} was not published: it stands on {instead_of}, and {pointer.release} is live by now"
                )
            newest = pointer.newest_attempt_at(release.manifest.ds)
            if token and newest > token:
                raise StaleAttempt(f"{release.id} of attempt {token} was not published: attempt {newest} already is")
            if pointer.release != release.id:
                pointer.flipped(release.id, "publish", reason, token).write(self.pointer_path)
        return release

    def reason_to_wait(self, ds: str) -> str | None:
        """Why a night of day `ds` should not put its release live by itself; None where nothing speaks against it."""
        pointer = self.pointer()
        if pointer and pointer.pinned:
            return f"{pointer.release} is pinned"
        if pointer and day_of(pointer.release) > ds:
            return f"{pointer.release} of a newer day is live"
        return None

    def rollback(self, *, reason: str, to: str | None = None, pin: bool = True) -> Release:
        """Makes the release before live again, or `to`; it stays pinned, so that the next night does not undo it."""
        with locked(self.folder / ".lock"):
            pointer = self._pointer()
            release = self._good(to) if to else self._last_good(pointer)
            replace(pointer.flipped(release.id, "rollback", reason), pinned=pin).write(self.pointer_path)
        return release

    def pin(self, *, reason: str, pinned: bool = True) -> Pointer:
        """Holds what is live against the nights to come, or lets it go."""
        with locked(self.folder / ".lock"):
            pointer = self._pointer()
            action = "pin" if pinned else "unpin"
            pointer = replace(pointer.flipped(pointer.release, action, reason), pinned=pinned)
            pointer.write(self.pointer_path)
        return pointer

    def _pointer(self) -> Pointer:
        pointer = self.pointer()
        if pointer is None:
            raise ReleaseError(f"nothing is published in {self.folder} yet")
        return pointer

    def _good(self, release_id: str) -> Release:
        release = self.open(release_id, verify=True)
        if not release.is_good:
            failed = [check.name for check in release.checks or [] if not check.passed]
            why = f"failed its audit: {', '.join(failed)}" if failed else "was never audited"
            raise ReleaseError(f"release {release.id} {why}; it cannot be published")
        return release

    def _last_good(self, pointer: Pointer) -> Release:
        for release_id in pointer.before_current:
            with contextlib.suppress(ReleaseError):
                return self._good(release_id)
        raise ReleaseError(f"there is no good release before {pointer.release} to roll back to")

    # Cleaning up

    def collect(self, keep: int) -> list[str]:
        """Removes all but the newest `keep` good releases that stand by themselves, what is live, what was live before
        it, and what another process is proving."""
        if keep < 2:
            raise ReleaseError(f"clean-up must keep at least 2 releases, not {keep}")
        with locked(self.folder / ".lock"):
            pointer = self.pointer()
            good = [name for name in self.ids() if self._looks_good(name)]
            kept = set([name for name in good if not self._adds_to_another(name)][:keep])
            kept |= {mark.read_text() for mark, writer in self._unproven().items() if is_alive(writer)}
            if pointer:
                kept |= {pointer.release, *[name for name in pointer.before_current if name in good][:1]}
            removed = sorted(set(self._ids()) - kept)
            for name in removed:
                self._discard(self.folder / name)
        self._sweep()
        return removed

    def _looks_good(self, release_id: str) -> bool:
        """Whether it can be read and passed its audit; the bytes of its files are not looked at."""
        try:
            return self.open(release_id, verify=False).is_good
        except ReleaseError:
            return False

    def _discard(self, path: Path) -> None:
        """Takes a release out of sight in one step, then deletes it."""
        trash = path.with_name(f"{TRASH_PREFIX}{path.name}-{os.getpid()}-{next(_numbers)}")
        path.rename(trash)
        shutil.rmtree(trash, ignore_errors=True)

    def _sweep(self) -> None:
        """Removes what crashed writers of this machine left behind."""
        for path in [*self.folder.glob(f"{DRAFT_PREFIX}*"), *self.folder.glob(f"{TRASH_PREFIX}*")]:
            writer = int(path.name.rsplit("-", 2)[1])
            if path not in _open_drafts and (writer == os.getpid() or not is_alive(writer)):
                shutil.rmtree(path, ignore_errors=True)
        for mark, writer in self._unproven().items():
            if not is_alive(writer):
                mark.unlink(missing_ok=True)
        remove_leftovers(self.folder)
