"""Follows the release pointer in a background thread and swaps the snapshot between requests.

The pointer is replaced by renaming, so its inode and modification time tell of every flip: one `stat` five times a
second. A new release is opened and verified, byte by byte, before it takes over. Whatever goes wrong is logged in one
line and counted, and what was served stays; the same release is tried again after a while, for a fault may pass.
"""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from weakref import WeakValueDictionary

from daybreak import clock
from daybreak.errors import ReleaseError
from daybreak.releases import ReleaseStore
from serving_export.reader.snapshot import Snapshot
from serving_export.reader.state import Refusal, State

POLL_SECONDS = 0.2
RETRY_SECONDS = 30.0

log = logging.getLogger("daybreak.reader")

_Mark = tuple[int, int] | None
_NEVER_LOOKED: _Mark = (0, 0)


class Watch:
    """Keeps `state` on the release that the pointer of `store` names."""

    def __init__(self, store: ReleaseStore, poll_seconds: float = POLL_SECONDS) -> None:
        self.state = State()
        self._store = store
        self._poll_seconds = poll_seconds
        self._seen: _Mark = _NEVER_LOOKED
        self._refused_at: float | None = None
        self._before: Snapshot | None = None
        self._open: WeakValueDictionary[str, Snapshot] = WeakValueDictionary()
        self._stopped = threading.Event()

    def start(self) -> None:
        """Looks once, at once, and then for ever in the background."""
        self.check()
        threading.Thread(target=self._follow, name="release-watch", daemon=True).start()

    def stop(self) -> None:
        self._stopped.set()

    def _follow(self) -> None:
        while not self._stopped.wait(self._poll_seconds):
            self.check()

    def check(self) -> None:
        """Looks at the pointer; where it changed, takes over the release it names. Never raises."""
        try:
            mark = self._mark()
            if mark == self._seen and not self._is_due_again():
                return
            self._seen = mark
            self._take_over()
            self._refused_at = None
        except Exception as error:
            self._refuse(error)

    def _mark(self) -> _Mark:
        try:
            stat = self._store.pointer_path.stat()
        except OSError:
            return None
        return stat.st_ino, stat.st_mtime_ns

    def _is_due_again(self) -> bool:
        return self._refused_at is not None and time.monotonic() - self._refused_at >= RETRY_SECONDS

    def _take_over(self) -> None:
        wanted = self._store.current_id()
        if wanted is None and self.state.snapshot is None:
            return
        if wanted is None:
            raise ReleaseError(f"the pointer {self._store.pointer_path} is gone; publish a release again")
        state = self.state
        if state.snapshot is not None and state.snapshot.id == wanted:
            self.state = replace(state, is_behind=False)
            return
        snapshot = self._open.get(wanted) or Snapshot(self._store.open(wanted, verify=True))
        self._open[wanted] = snapshot
        self._before = state.snapshot  # kept open, so that a roll-back reads nothing
        self.state = replace(state, snapshot=snapshot, swaps=state.swaps + 1, swapped_at=clock.stamp(), is_behind=False)
        log.info("serving release %s", wanted)

    def _refuse(self, error: Exception) -> None:
        state = self.state
        self._refused_at = time.monotonic()
        refusal = Refusal(self._wanted(), " ".join(str(error).split()) or type(error).__name__, clock.stamp())
        self.state = replace(state, refusals=state.refusals + 1, last_refusal=refusal, is_behind=True)
        serving = state.snapshot.id if state.snapshot else "nothing"
        log.error("release %s refused: %s; still serving %s", refusal.release, refusal.reason, serving)

    def _wanted(self) -> str | None:
        try:
            return self._store.current_id()
        except (ReleaseError, OSError):
            return None
