"""A night's indexing in processes that can be made to die at a chosen point.

They are forked from a server that has imported the indexing and used nothing of it, because what builds and searches
starts threads that a fork would not bring along. The server reads one request a line, and answers each by a line.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import FrameType
from typing import Any

import indexing
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import all_steps, step_named
from tests.daybreak import children

WATCHED = (children.SOURCE, str(Path(indexing.__file__).parent))
ENDED, KILLED = 0, -signal.SIGKILL


class Fuse(children.Fuse):
    """Counts the lines of the indexing too."""

    def _on_call(self, frame: FrameType, event: str, argument: object) -> Any:
        return self._on_line if frame.f_code.co_filename.startswith(WATCHED) else None


def indexed(settings: Settings, ds: str, *, shards: bool) -> None:
    """The commands that are killed: every shard of a night, where they are asked for, and its release."""
    for number in range(settings.index_shards if shards else 0):
        run_steps([step_named("indexing.shard")], ds, settings, overrides={"number": number})
    run_steps([step_named("indexing.publish")], ds, settings)


@dataclass(frozen=True)
class Server:
    """Does a night's indexing in a process of its own, as often as it is asked."""

    process: subprocess.Popen[str]

    def moments(self, settings: Settings, ds: str, *, shards: bool) -> int:
        """How many moments an undisturbed run has."""
        status, moments = self._asked(settings, ds, shards, 0)
        assert status == ENDED
        return moments

    def kill_at(self, moment: int, settings: Settings, ds: str, *, shards: bool) -> None:
        """Runs it and kills it at that moment."""
        status, _ = self._asked(settings, ds, shards, moment)
        assert status in (ENDED, KILLED), f"the child failed by itself: {status}"

    def _asked(self, settings: Settings, ds: str, shards: bool, moment: int) -> tuple[int, int]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        request = {"settings": settings.model_dump(mode="json"), "ds": ds, "shards": shards, "moment": moment}
        self.process.stdin.write(json.dumps(request) + "\n")
        self.process.stdin.flush()
        told = json.loads(self.process.stdout.readline())
        return told["status"], told["moments"]


@contextmanager
def running_server() -> Iterator[Server]:
    """A server that is there for the block."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.indexing.killing"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(indexing.__file__).parent.parent,
    ) as process:
        yield Server(process)
        assert process.stdin is not None
        process.stdin.close()


def serve() -> None:
    """Answers requests until there are no more."""
    for line in sys.stdin:
        counted, tell = os.pipe()
        child = os.fork()
        if child == 0:
            _burn(json.loads(line), tell)
        os.close(tell)
        _, status = os.waitpid(child, 0)
        with os.fdopen(counted) as reader:
            moments = int(reader.read() or 0)
        answer = {"status": os.waitstatus_to_exitcode(status), "moments": moments}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _burn(request: dict[str, Any], tell: int) -> None:
    """Runs what is asked for, and ends the process whatever happens; how many moments it had goes through the pipe."""
    try:
        import faiss
        import torch

        torch.set_num_threads(1)
        faiss.omp_set_num_threads(1)
        settings = Settings(**request["settings"])
        fuse = Fuse(str(settings.root), request["moment"])
        fuse.light()
        indexed(settings, request["ds"], shards=request["shards"])
        sys.settrace(None)
        os.write(tell, str(fuse.moments).encode())
        os._exit(ENDED)
    except BaseException as error:
        sys.stderr.write(f"{error!r}\n")
        os._exit(1)


if __name__ == "__main__":
    for name in ("indexing.publish", "indexing.shard", "pandas", "pyarrow.acero", "pyarrow.pandas_compat"):
        import_module(name)
    all_steps()
    serve()
