"""Local servers as operating-system sessions, so that a server ends with everything it ever started.

Each server leads a session of its own and is recorded in a file with the moment it started. Ending it means: a polite
signal to its leader, patience, then SIGKILL to whatever is left of the session. After a crash the records tell the next
start what to sweep away; a process that merely reused a number is recognised by its start time and left alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from daybreak.embedded.unprivileged import MYSELF, RunAs
from daybreak.files import write_atomically

CLOCK_JITTER_S = 2.0
POLL_S = 0.05


@dataclass(frozen=True)
class Server:
    """How to start a server and how it wants to be asked to stop."""

    name: str
    command: Sequence[str]
    log: Path
    stop_signal: int = signal.SIGTERM
    patience_s: float = 15.0
    who: RunAs = MYSELF


@dataclass(frozen=True)
class Session:
    """A started server: its leader's process number, when it started, and how it is stopped."""

    name: str
    pid: int
    started: float
    stop_signal: int
    patience_s: float

    def alive(self) -> bool:
        """Whether the leader itself still runs."""
        try:
            leader = psutil.Process(self.pid)
            return leader.status() != psutil.STATUS_ZOMBIE and _same(leader.create_time(), self.started)
        except psutil.Error:
            return False

    def members(self) -> list[psutil.Process]:
        """Every living process of the session, also when its leader is gone; none when a stranger leads it now."""
        with contextlib.suppress(psutil.Error):
            if not _same(psutil.Process(self.pid).create_time(), self.started):
                return []
        return [process for process in psutil.process_iter() if self._owns(process)]

    def _owns(self, process: psutil.Process) -> bool:
        try:
            if os.getsid(process.pid) != self.pid or process.status() == psutil.STATUS_ZOMBIE:
                return False
            return process.create_time() >= self.started - CLOCK_JITTER_S
        except (psutil.Error, ProcessLookupError, PermissionError):
            return False

    def end(self, patience_s: float | None = None) -> None:
        """Ends the leader politely, then whatever is left at once."""
        patience = self.patience_s if patience_s is None else patience_s
        if patience > 0 and self.alive():
            _signal(self.pid, self.stop_signal)
            deadline = time.monotonic() + patience
            while self.alive() and time.monotonic() < deadline:
                time.sleep(POLL_S)
        while left := self.members():
            for process in left:
                _signal(process.pid, signal.SIGKILL)
            time.sleep(POLL_S)


class Sessions:
    """The sessions recorded in one folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, server: Server, environment: dict[str, str]) -> subprocess.Popen[bytes]:
        """Starts a server in a session of its own and records it."""
        server.log.parent.mkdir(parents=True, exist_ok=True)
        with server.log.open("ab") as log:
            process = subprocess.Popen(
                list(server.command),
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                cwd=server.who.cwd,
                user=server.who.user,
                group=server.who.user,
                extra_groups=server.who.groups,
            )
        record = {
            "pid": process.pid,
            "started": psutil.Process(process.pid).create_time(),
            "stop_signal": int(server.stop_signal),
            "patience_s": server.patience_s,
        }
        write_atomically(self._record(server.name), json.dumps(record).encode())
        self._children[server.name] = process
        return process

    def recorded(self, name: str) -> Session | None:
        """The session recorded under `name`, whether or not it lives."""
        try:
            values = json.loads(self._record(name).read_text(encoding="utf-8"))
            return Session(name, values["pid"], values["started"], values["stop_signal"], values["patience_s"])
        except (FileNotFoundError, ValueError, KeyError, TypeError):
            return None

    def names(self) -> list[str]:
        return sorted(path.stem for path in self.folder.glob("*.json"))

    def end(self, name: str, patience_s: float | None = None) -> None:
        """Ends what is recorded under `name`; nothing happens when nothing is."""
        session = self.recorded(name)
        if session:
            session.end(patience_s)
        child = self._children.pop(name, None)
        if child is not None:
            child.wait()
        self._record(name).unlink(missing_ok=True)

    def _record(self, name: str) -> Path:
        return self.folder / f"{name}.json"


def _same(one: float, other: float) -> bool:
    return abs(one - other) <= CLOCK_JITTER_S


def _signal(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return
