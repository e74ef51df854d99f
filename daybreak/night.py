"""Nights one after another through Airflow: claimed by one process, followed live, and accounted for at the end."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import signal
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from daybreak.clock import days_before, parse_day, stamp
from daybreak.embedded.airflow import NIGHTLY, Airflow
from daybreak.embedded.airflow_api import RunState, TaskState
from daybreak.errors import InputError, NightError
from daybreak.settings import Settings

DAY_FOLDER = re.compile(r"ds=(\d{4}-\d{2}-\d{2})")


@dataclass(frozen=True)
class TaskTime:
    """A task of a finished night and the seconds its command took, without what Airflow added."""

    task_id: str
    state: str | None
    seconds: float


@dataclass(frozen=True)
class NightOutcome:
    """What became of a night. `airflow_seconds` is the part of `seconds` in which no command was running."""

    ds: str
    run_id: str
    seconds: float
    airflow_seconds: float
    tasks: tuple[TaskTime, ...]
    report: Path | None


@dataclass(frozen=True)
class Nights:
    """All nights of one call, and the seconds until the first could be triggered."""

    start_seconds: float
    seconds: float
    outcomes: tuple[NightOutcome, ...]


class Observer(Protocol):
    """Who is told how the nights go."""

    def say(self, message: str) -> None:
        """Something worth a line."""

    def follow(self, ds: str, run: RunState) -> None:
        """The run of `ds` changed."""

    def finish(self, nights: Nights) -> None:
        """All nights are through."""


def newest_day(landing: Path) -> str:
    """The last day that delivered events."""
    days = sorted(match[1] for path in landing.glob("events/ds=*") if (match := DAY_FOLDER.fullmatch(path.name)))
    if not days:
        raise InputError(
            f"{landing / 'events'} holds no day to run; deliver files as ds=YYYY-MM-DD there, "
            "or make a world with `daybreak simulate`"
        )
    return days[-1]


def days_up_to(ds: str, nights: int) -> tuple[str, ...]:
    """The `nights` days that end with `ds`, oldest first."""
    parse_day(ds)
    if nights < 1:
        raise InputError(f"--nights must be at least 1, not {nights}")
    return tuple(days_before(ds, back) for back in reversed(range(nights)))


def run_nights(settings: Settings, days: Sequence[str], observer: Observer, keep_up: bool = False) -> Nights:
    """Runs the nights of `days` in order and stops at the first that fails. Ends all it started, unless `keep_up`: then
    Airflow stays until this process is interrupted."""
    began = time.monotonic()
    airflow = Airflow(settings, observer.say)
    try:
        try:
            with claimed(settings.root / "night.lock", days):
                start_seconds = _start(airflow, observer)
                outcomes = tuple(_run_night(airflow, settings, ds, observer) for ds in days)
            nights = Nights(start_seconds, time.monotonic() - began, outcomes)
            observer.finish(nights)
        except NightError as error:
            if keep_up and airflow.running():
                observer.say(str(error))
                _stay(airflow, observer)
            raise
        if keep_up:
            _stay(airflow, observer)
    except BaseException:
        airflow.stop(hurry=True)
        raise
    airflow.stop()
    return nights


@contextlib.contextmanager
def claimed(path: Path, days: Sequence[str]) -> Iterator[None]:
    """Holds the night for this process; the operating system gives it up if the process dies."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+", encoding="utf-8") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise NightError(f"another night is running: {_holder(lock.read())}; wait for it or end it first") from None
        lock.truncate(0)
        lock.write(json.dumps({"pid": os.getpid(), "days": [days[0], days[-1]], "since": stamp()}))
        lock.flush()
        yield
        lock.truncate(0)


def last_words(log: Path) -> str | None:
    """The sentence a failed task ended with: its exception, else the last error in its log."""
    try:
        lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    told = None
    for line in reversed(lines):
        with contextlib.suppress(ValueError, AttributeError):
            entry = json.loads(line)
            if entry.get("error_detail"):
                return str(entry["error_detail"][-1]["exc_value"])
            if told is None and entry.get("level") in ("error", "critical"):
                told = str(entry.get("event"))
    return told


def _start(airflow: Airflow, observer: Observer) -> float:
    began = time.monotonic()
    observer.say("starting PostgreSQL and Airflow")
    if not airflow.start():
        observer.say(f"using the Airflow that runs at {airflow.url}")
    for run_id in airflow.abandon_leftovers():
        observer.say(f"{run_id} was left unfinished; it is marked failed")
    return round(time.monotonic() - began, 3)


def _run_night(airflow: Airflow, settings: Settings, ds: str, observer: Observer) -> NightOutcome:
    began = time.monotonic()
    run_id = airflow.trigger(ds)
    try:
        for run in airflow.watch(run_id):
            observer.follow(ds, run)
    except BaseException:
        with contextlib.suppress(NightError, OSError):
            airflow.abandon(run_id)
        raise
    seconds = time.monotonic() - began
    if run.state != "success":
        raise NightError(_why_failed(airflow, ds, run))
    tasks, commands = _account(airflow, run)
    report = settings.reports / f"{ds}.html"
    return NightOutcome(
        ds, run_id, round(seconds, 3), round(seconds - commands, 3), tasks, report if report.exists() else None
    )


def _account(airflow: Airflow, run: RunState) -> tuple[tuple[TaskTime, ...], float]:
    return accounted([(task, airflow.api.returned(NIGHTLY, run.run_id, task)) for task in run.tasks])


def accounted(returned: Sequence[tuple[TaskState, Any]]) -> tuple[tuple[TaskTime, ...], float]:
    """Each command's seconds, and the seconds in which at least one command was running. A task that runs no command
    returns something else, or nothing."""
    commands = [(task, told) for task, told in returned if isinstance(told, dict)]
    times = [TaskTime(task.name, task.state, told["seconds"]) for task, told in commands]
    return tuple(times), covered([(told["started"], told["started"] + told["seconds"]) for _, told in commands])


def covered(spans: Sequence[tuple[float, float]]) -> float:
    """The length of the union of the spans."""
    total, reached = 0.0, float("-inf")
    for start, end in sorted(spans):
        total += max(0.0, end - max(start, reached))
        reached = max(reached, end)
    return total


def _why_failed(airflow: Airflow, ds: str, run: RunState) -> str:
    failed = next((task for task in run.tasks if task.state == "failed"), None)
    if failed is None:
        return f"the night {ds} was ended from outside (run {run.run_id} is {run.state})"
    log = _log_of(airflow, run, failed)
    return f"the night {ds} failed at {failed.name}: {last_words(log) or 'it left no sentence'} (log: {log})"


def _log_of(airflow: Airflow, run: RunState, task: TaskState) -> Path:
    return airflow.task_log(run.run_id, task)


def _stay(airflow: Airflow, observer: Observer) -> None:
    observer.say(f"Airflow stays at {airflow.url}, user admin, password {airflow.password}; Ctrl-C ends it")
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()


def _holder(text: str) -> str:
    try:
        holder = json.loads(text)
        first, last = holder["days"]
        span = first if first == last else f"{first} to {last}"
        return f"process {holder['pid']} works on {span} since {holder['since']}"
    except (ValueError, KeyError, TypeError):
        return "another process holds its lock"
