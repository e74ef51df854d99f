"""Ends the embedded servers when the process that started them dies without doing it itself, as after `kill -9`.

It waits on a pipe whose other end that process holds; the operating system closes the pipe at its death. After an
orderly stop it finds nothing recorded and goes. While it lives it holds a lock, so that the next start begins only when
everything of the last one is gone.
"""

from __future__ import annotations

import fcntl
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from daybreak.embedded.sessions import Sessions
from daybreak.errors import NightError

AT_ONCE = 0.0
POLITELY = ("postgres",)
WAIT_S = 45.0
POLL_S = 0.1


def watch_over(folders: Sequence[Path], lock: Path) -> subprocess.Popen[bytes]:
    """Starts the guardian of the sessions recorded in `folders`, ended in that order; its stdin is the lifeline."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("a") as held:
        _take(held, lock)
        return subprocess.Popen(
            [sys.executable, "-m", __name__, *map(str, folders)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
            pass_fds=[held.fileno()],
        )


def _take(held: IO[str], lock: Path) -> None:
    """Takes the lock, waiting for the guardian of a process that has just died."""
    deadline = time.monotonic() + WAIT_S
    while True:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > deadline:
                raise NightError(
                    f"another process still holds the servers of {lock.parent}, which do not answer; end it first"
                ) from None
            time.sleep(POLL_S)
        else:
            return


def main() -> None:
    """Waits for the end of standard input, then ends what is still recorded: databases politely, the rest at once."""
    sys.stdin.buffer.read()
    for folder in map(Path, sys.argv[1:]):
        sessions = Sessions(folder)
        for name in sessions.names():
            sessions.end(name, None if name in POLITELY else AT_ONCE)


if __name__ == "__main__":
    main()
