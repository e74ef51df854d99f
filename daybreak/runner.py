"""Runs steps: numbers the attempt, hands over the reach, records what happened."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from daybreak import clock
from daybreak.code_version import code_version
from daybreak.errors import DaybreakError, InputError
from daybreak.lake import Lake
from daybreak.lineage import LineageBook, RunRecord
from daybreak.resources import peak_memory_mb
from daybreak.settings import Settings
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, StepSpec
from daybreak.targets import load

Observer = Callable[[RunRecord], None]


def run_steps(
    specs: Sequence[StepSpec],
    ds: str,
    settings: Settings,
    *,
    overrides: Mapping[str, Any] | None = None,
    observer: Observer = lambda record: None,
) -> list[RunRecord]:
    """Runs the steps in order, in this process, so that they share one Spark session. The first failure ends it."""
    if overrides and len(specs) != 1:
        raise InputError("settings for one run (--set) need exactly one step, because each step has its own")
    configs = [spec.configure(ds, {**settings.steps.get(spec.name, {}), **(overrides or {})}) for spec in specs]
    lake = Lake.of(settings)
    records = []
    for spec, config in zip(specs, configs, strict=True):
        records.append(_run_step(spec, config, settings, lake))
        observer(records[-1])
    return records


def _run_step(spec: StepSpec, config: StepConfig, settings: Settings, lake: Lake) -> RunRecord:
    started_at, started = clock.stamp(), time.perf_counter()
    attempt = lake.begin(spec.name, config.ds)
    io = StepIO(spec, config.ds, settings, lake, attempt)
    book = LineageBook(settings.lineage)

    def record(status: str, summary: Mapping[str, Any], error: str | None = None) -> RunRecord:
        return RunRecord(
            step=spec.name,
            ds=config.ds,
            attempt=attempt.token,
            status=status,
            started_at=started_at,
            seconds=round(time.perf_counter() - started, 2),
            peak_memory_mb=peak_memory_mb(),
            spark_start_seconds=round(io.spark_start_seconds, 2),
            code_version=code_version(),
            config_hash=config.digest(),
            config=config.model_dump(mode="json"),
            inputs=list(io.inputs.values()),
            outputs=io.outputs,
            files=io.files,
            release=io.release,
            summary=dict(summary),
            error=error,
        )

    try:
        summary = load(spec.target)(config, io)
    except Exception as error:
        failure = _foreseen(error)
        book.write(record("failed", failure.summary if isinstance(failure, DaybreakError) else {}, str(failure)))
        if failure is error:
            raise
        raise failure from error
    done = record("done", summary)
    book.write(done)
    return done


def _foreseen(error: Exception) -> Exception:
    """A full disk and the like, as the sentence that a person can act on."""
    cause: BaseException | None = error
    while cause is not None:
        if (isinstance(cause, OSError) and cause.errno == 28) or "No space left on device" in str(cause):
            free = os.statvfs(".")
            return DaybreakError(
                f"the disk is full ({free.f_bavail * free.f_frsize >> 20} MiB free): nothing was committed;"
                " free some space and run the same command again"
            )
        cause = cause.__cause__ or cause.__context__
    return error
