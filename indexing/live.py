"""The live index, followed: whoever searches gets whole answers of one release while releases come and go.

A flip is noticed at the next question. One thread opens what is new, proves it and asks what is known, while all others
go on with what they have; then the reference is swapped. What cannot be opened is refused and the old one stays.
"""

from __future__ import annotations

import threading

from daybreak.errors import ReleaseError
from daybreak.releases import ReleaseStore
from indexing.opened import OpenIndex


class LiveIndex:
    """What is live, opened."""

    def __init__(self, store: ReleaseStore) -> None:
        self._store = store
        self._opening = threading.Lock()
        self._seen = self._stamp()
        self._open = OpenIndex.of(store.current())
        self.refused: str | None = None

    def current(self) -> OpenIndex:
        """The index to search now; the caller keeps it for all of one answer."""
        if self._stamp() != self._seen and self._opening.acquire(blocking=False):
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
            self.refused = None
        except (ReleaseError, OSError) as error:
            self.refused = str(error)
        self._seen = stamp

    def _stamp(self) -> tuple[int, int, int] | None:
        """What changes whenever the pointer is written."""
        try:
            found = self._store.pointer_path.stat()
        except FileNotFoundError:
            return None
        return found.st_ino, found.st_mtime_ns, found.st_size
