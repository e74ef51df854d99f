"""How Airflow runs a step: as the very line that a developer types. The only module of the core that imports Airflow.

The line runs as a child of the task. Its output streams into the task's log; its last sentence becomes the task's
error. A failure that Daybreak foresaw is permanent and not tried again; anything else, such as a killed process or a
server that does not answer, is.
If the task itself is killed the kernel ends the child, so no forgotten attempt writes on beside the next one.
"""

from __future__ import annotations

import ctypes
import os
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import psutil
from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from daybreak.settings import load_settings

RUN_DATE = "{{ params.run_date or ((dag_run.logical_date or dag_run.run_after) | ds) }}"
PERMANENT = range(2, 12)
SENTENCE = "Error: "
LONGEST_SENTENCE = 4_000
PR_SET_PDEATHSIG = 1
KILL_AFTER_S = 10.0
POLL_S = 0.05
NOT_FOR_STEPS = ("PYTHONWARNINGS",)


class DaybreakRun(BaseOperator):
    """Runs steps of one stage for the day of the run, in one process. `options` are for a single step."""

    template_fields: Sequence[str] = ("line",)
    ui_color = "#dfe9f5"

    def __init__(self, *, steps: Sequence[str], options: Mapping[str, Any] | None = None, **arguments: Any) -> None:
        super().__init__(**arguments)
        told = [f' --set "{name}={value}"' for name, value in (options or {}).items()]
        self.line = f"daybreak run {' '.join(steps)} --ds {RUN_DATE}{''.join(told)}"
        self._child: subprocess.Popen[str] | None = None

    def execute(self, context: Any) -> dict[str, Any]:
        """Runs the line; returns when it started and how many seconds it took."""
        self.log.info("$ %s", self.line)
        started, tail = time.time(), LastWords()
        with _child(shlex.split(self.line)) as self._child:
            for text in _lines(self._child):
                self.log.info("%s", text)
                tail.hear(text)
            code = self._child.wait()
        seconds = round(time.time() - started, 3)
        self.log.info("ended with %s after %.1f s", code, seconds)
        if code in PERMANENT:
            raise AirflowFailException(tail.sentence or f"'{self.line}' ended with {code}")
        if code:
            raise AirflowException(tail.sentence or f"'{self.line}' ended with {_reason(code)}")
        return {"line": self.line, "started": started, "seconds": seconds}

    def on_kill(self) -> None:
        """Ends the line and all it started when Airflow ends the task."""
        if self._child is not None:
            _end(self._child.pid)


class Numbers(BaseOperator):
    """As many options `number`, from 0, as a parameter of the run says: what mapped tasks are expanded over."""

    def __init__(self, *, parameter: str, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.parameter = parameter

    def execute(self, context: Any) -> list[dict[str, int]]:
        """The options of each mapped task."""
        return [{"number": number} for number in range(context["params"][self.parameter])]


def training_queue() -> str:
    """The queue whose workers train."""
    return load_settings().training_queue


def index_shards() -> int:
    """How many shards an index has."""
    return load_settings().index_shards


class LastWords:
    """The sentence a program ended with: what follows its last `Error: `, else its last line."""

    def __init__(self) -> None:
        self._words: list[str] = []
        self._is_error = False

    def hear(self, text: str) -> None:
        """Takes the next line of output."""
        if text.startswith(SENTENCE):
            self._words, self._is_error = [text.removeprefix(SENTENCE)], True
        elif text.strip():
            self._words = [*self._words, text.strip()] if self._is_error else [text.strip()]

    @property
    def sentence(self) -> str:
        return " ".join(self._words)[:LONGEST_SENTENCE]


@contextmanager
def _child(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """The command as a child that dies with this process, and that this process never leaves behind."""
    variables = {name: value for name, value in os.environ.items() if name not in NOT_FOR_STEPS}
    try:
        child = subprocess.Popen(
            command,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            process_group=0,
            preexec_fn=_die_with_parent(),
        )
    except FileNotFoundError as error:
        raise AirflowFailException(f"there is no program '{command[0]}' on the PATH {variables.get('PATH')}") from error
    try:
        yield child
    finally:
        if child.poll() is None:
            _end(child.pid)
            child.wait()


def _lines(child: subprocess.Popen[str]) -> Iterator[str]:
    if child.stdout is not None:
        for line in child.stdout:
            yield line.rstrip("\n")


def _die_with_parent() -> Callable[[], None] | None:
    if sys.platform != "linux":
        return None
    libc, parent = ctypes.CDLL(None), os.getpid()

    def ask_the_kernel() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return ask_the_kernel


def _end(pid: int) -> None:
    """Ends a process and all below it, politely, then at once; its exit status is left to whoever waits for it."""
    try:
        root = psutil.Process(pid)
        family = [root, *root.children(recursive=True)]
    except psutil.NoSuchProcess:
        return
    for act in (psutil.Process.terminate, psutil.Process.kill):
        for process in family:
            with suppress(psutil.NoSuchProcess):
                act(process)
        deadline = time.monotonic() + KILL_AFTER_S
        while (family := [process for process in family if _alive(process)]) and time.monotonic() < deadline:
            time.sleep(POLL_S)


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _reason(code: int) -> str:
    if code >= 0:
        return f"{code}"
    return f"signal {signal.Signals(-code).name}" + (" (often: out of memory)" if code == -signal.SIGKILL else "")
