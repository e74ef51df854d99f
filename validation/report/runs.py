"""The runs of a night's steps, as rows for people and as bars on one time line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from daybreak.lineage import RunRecord

WAITING_SHARE = 0.5


@dataclass(frozen=True)
class Bar:
    """One run on the time line: when it began, in seconds from the first, and how long it took."""

    step: str
    start: float
    seconds: float
    failed: bool


@dataclass(frozen=True)
class TimeLine:
    """The runs of a night in the order they began. `is_packed` says that the pauses between them are left out."""

    bars: tuple[Bar, ...]
    is_packed: bool


def latest_of_each_step(runs: Sequence[RunRecord]) -> list[RunRecord]:
    """The last run of each step, in the order they started: what the night came to."""
    return sorted({run.step: run for run in runs}.values(), key=lambda run: (run.started_at, run.step))


def rows_written(run: RunRecord) -> int:
    return sum(output.rows or 0 for output in run.outputs)


def time_line(runs: Sequence[RunRecord]) -> TimeLine:
    """The runs by the time they began; without the pauses where these are long, as when a run came hours later."""
    if not runs:
        return TimeLine((), is_packed=False)
    began = [datetime.fromisoformat(run.started_at) for run in runs]
    starts = [(moment - min(began)).total_seconds() for moment in began]
    busy = sum(run.seconds for run in runs)
    span = max(start + run.seconds for start, run in zip(starts, runs, strict=True))
    is_packed = span - busy > WAITING_SHARE * span + 5
    if is_packed:
        starts = [sum(run.seconds for run in runs[:number]) for number in range(len(runs))]
    bars = (
        Bar(f"{run.step} #{run.attempt}" if run.attempt > 1 else run.step, start, run.seconds, run.status != "done")
        for start, run in zip(starts, runs, strict=True)
    )
    return TimeLine(tuple(bars), is_packed)
