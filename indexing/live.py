"""The live index, followed: whoever searches gets whole answers of one release while releases come and go.

A flip is noticed at the next question. One thread opens what is new, proves it and asks what is known, while all others
go on with what they have; then the reference is swapped. What cannot be opened is `refused` and the old one stays:
until the next flip where the release is at fault, and for a moment where this machine is, which may have run short.
"""

from __future__ import annotations

import threading
import time

from daybreak.errors import ReleaseError
from daybreak.releases import ReleaseStore
from indexing.opened import OpenIndex

PAUSE_S = 1.0
"""So long a machine that had no room is left alone."""


class LiveIndex:
    """What is live, opened."""

    def __init__(self, store: ReleaseStore) -> None:
        self._store = store
        self._opening = threading.Lock()
        self._seen = self._stamp()
        self._open = OpenIndex.of(store.current())
        self.refused: str | None = None
        self._not_before = 0.0

    def current(self) -> OpenIndex:
        """The index to search now; the caller keeps it for all of one answer."""
        due = self._stamp() != self._seen and time.monotonic() >= self._not_before
        if due and self._opening.acquire(blocking=False):
            try:
                self._follow()
            finally:
                self._opening.release()
        return self._open

    def _follow(self) -> None:
        stamp = self._stamp()
        try:
            release_id = self._store.current_id()
            if release_id is not None and release_id != self._open.name:
                self._open = OpenIndex.of(self._store.open(release_id))
            self._seen, self.refused = stamp, None
        except ReleaseError as error:
            self._seen, self.refused = stamp, str(error)
        except Exception as error:
            self._not_before, self.refused = time.monotonic() + PAUSE_S, repr(error)

    def _stamp(self) -> tuple[int, int, int] | None:
        """What changes whenever the pointer is written."""
        try:
            found = self._store.pointer_path.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size
