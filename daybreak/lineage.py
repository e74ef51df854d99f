"""What came from what: one record a run of a step, and the way back from a release to the files that were delivered."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from daybreak.files import write_atomically


@dataclass(frozen=True)
class Touched:
    """A version of a dataset that a run read or wrote."""

    dataset: str
    version: int | None
    rows: int | None = None
    days: str | None = None

    def covers(self, ds: str) -> bool:
        """Whether the day is among those touched."""
        first, _, last = (self.days or "").partition(" to ")
        return first <= ds <= (last or first)


@dataclass(frozen=True)
class RunRecord:
    """One run of one step."""

    step: str
    ds: str
    attempt: int
    status: str
    started_at: str
    seconds: float
    peak_memory_mb: float
    spark_start_seconds: float
    code_version: str
    config_hash: str
    config: dict[str, Any]
    inputs: list[Touched] = field(default_factory=list)
    outputs: list[Touched] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    release: str | None = None
    summary: dict[str, Any] = field(default_factory=dict)
    error: str | None = None


class LineageBook:
    """The records of all runs, one file each, below one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, record: RunRecord) -> None:
        path = self._folder / record.ds / f"{record.step}-{record.attempt:06d}.json"
        write_atomically(path, json.dumps(asdict(record), indent=2, default=str).encode() + b"\n")

    def runs_of(self, ds: str) -> list[RunRecord]:
        """The runs of a day, in the order they started."""
        runs = [_read(path) for path in (self._folder / ds).glob("*.json")]
        return sorted(runs, key=lambda run: (run.started_at, run.step, run.attempt))

    def all_runs(self) -> Iterable[RunRecord]:
        for path in sorted(self._folder.glob("*/*.json")):
            yield _read(path)

    def behind(self, ds: str, tables: dict[str, int]) -> list[RunRecord]:
        """The runs of night `ds` that made these table versions, and those that made what they read, the latest
        first."""
        runs = [run for run in self.all_runs() if run.status == "done"]
        found: dict[tuple[str, str, int], RunRecord] = {}
        waiting = list(tables.items())
        while waiting:
            run = _maker(runs, ds, *waiting.pop(0))
            if run and (run.step, run.ds, run.attempt) not in found:
                found[run.step, run.ds, run.attempt] = run
                waiting += [(i.dataset, i.version) for i in run.inputs if i.version is not None]
        return sorted(found.values(), key=lambda run: (run.started_at, run.step), reverse=True)


def _maker(runs: list[RunRecord], ds: str, dataset: str, version: int) -> RunRecord | None:
    """The run that last wrote day `ds` of a dataset, not after `version`."""
    writers = [
        (output.version, run)
        for run in runs
        for output in run.outputs
        if output.dataset == dataset and output.version is not None and output.version <= version and output.covers(ds)
    ]
    return max(writers, key=lambda writer: writer[0])[1] if writers else None


def _read(path: Path) -> RunRecord:
    document = json.loads(path.read_bytes())
    document["inputs"] = [Touched(**row) for row in document["inputs"]]
    document["outputs"] = [Touched(**row) for row in document["outputs"]]
    return RunRecord(**document)
