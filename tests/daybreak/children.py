"""Child processes for tests: many at a few milliseconds each, and each can be made to die at a chosen point.

They are forked from a server that has imported the lake and the releases and has used neither, because the engine
below the lake starts threads that a fork would not bring along.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from types import FrameType
from typing import Any

import daybreak

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    [
        "daybreak.lake",
        "daybreak.releases",
        "daybreak.datasets",
        "pandas",
        "pyarrow.acero",
        "pyarrow.pandas_compat",
        "pytest",
    ]
)
SOURCE = str(Path(daybreak.__file__).parent)
FILE_EVENTS = frozenset(
    {"open", "os.link", "os.listdir", "os.mkdir", "os.remove", "os.rename", "os.rmdir", "os.scandir", "shutil.rmtree"}
)
ENDED, KILLED, TIMED_OUT = 0, -signal.SIGKILL, -signal.SIGALRM
Job = Callable[..., object]
Kill = Callable[[Job, Path], None]


@dataclass
class Fuse:
    """Counts the moments of a run: each line of the core that runs, each thing it asks of a file below `folder`.
    Kills the process, without a chance to clean up, at the moment `burns_at`."""

    folder: str
    burns_at: int
    moments: int = 0

    def light(self) -> None:
        sys.addaudithook(self._on_event)
        sys.settrace(self._on_call)

    def _on_event(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event in FILE_EVENTS and any(str(argument).startswith(self.folder) for argument in arguments):
            self._next()

    def _on_call(self, frame: FrameType, event: str, argument: object) -> Any:
        return self._on_line if frame.f_code.co_filename.startswith(SOURCE) else None

    def _on_line(self, frame: FrameType, event: str, argument: object) -> Any:
        if event == "line":
            self._next()
        return self._on_line

    def _next(self) -> None:
        self.moments += 1
        if self.moments == self.burns_at:
            os.kill(os.getpid(), signal.SIGKILL)


def start(job: Job, *arguments: object) -> ForkServerProcess:
    """A child that does the job."""
    child = PROCESSES.Process(target=job, args=arguments)
    child.start()
    return child


def outcomes(job: Job, *arguments: tuple[object, ...]) -> list[int | None]:
    """Does the job with each of these arguments at once, a child each; how they ended."""
    children = [start(job, *each) for each in arguments]
    for child in children:
        child.join()
    return [child.exitcode for child in children]


def points_of(job: Job, folder: Path, number: int) -> list[int]:
    """So many moments of the undisturbed job on `folder`, spread from its first to its last."""
    moments = int(_measured(_counted, job, folder))
    points = sorted({1 + step * (moments - 1) // (number - 1) for step in range(number)})
    assert len(points) == number, f"only {moments} moments were seen"
    return points


def times_of(job: Job, folder: Path, number: int) -> list[float]:
    """So many moments in seconds, spread over the time that the undisturbed job takes on `folder`."""
    whole = _measured(_clocked, job, folder)
    return [whole * (step + 1) / number for step in range(number)]


def _measured(measure: Job, job: Job, folder: Path) -> float:
    here, there = PROCESSES.Pipe(duplex=False)
    assert outcomes(measure, (job, folder, there)) == [ENDED]
    return float(here.recv())


def kill_at(moment: int, job: Job, folder: Path) -> None:
    """Runs the job on `folder` and kills it at that moment."""
    _kill(_fused, moment, job, folder)


def kill_after(seconds: float, job: Job, folder: Path) -> None:
    """Runs the job on `folder` and lets a timer end it at once, wherever it is, inside the engine too."""
    _kill(_timed, seconds, job, folder)


def _kill(how: Job, *arguments: object) -> None:
    (ended,) = outcomes(how, arguments)
    assert ended in (ENDED, KILLED, TIMED_OUT), f"the child failed by itself: {ended}"


def _counted(job: Job, folder: Path, reply: Any) -> None:
    fuse = Fuse(str(folder), burns_at=0)
    fuse.light()
    job(folder)
    sys.settrace(None)
    reply.send(fuse.moments)


def _clocked(job: Job, folder: Path, reply: Any) -> None:
    started = time.perf_counter()
    job(folder)
    reply.send(time.perf_counter() - started)


def _fused(moment: int, job: Job, folder: Path) -> None:
    Fuse(str(folder), moment).light()
    job(folder)


def _timed(seconds: float, job: Job, folder: Path) -> None:
    signal.setitimer(signal.ITIMER_REAL, seconds)
    job(folder)
    os._exit(ENDED)
