"""Runs steps: numbers the attempt, hands over the reach, records what happened."""

from __future__ import annotations

import contextlib
import errno
import os
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
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

NO_ROOM = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
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
        try:
            records.append(_run_step(spec, config, settings, lake))
        except Exception as error:
            failure = _foreseen(error, settings.root)
            if failure is error:
                raise
            raise failure from error
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
            inputs=sorted(io.inputs.values(), key=lambda touched: touched.dataset),
            outputs=sorted(io.outputs, key=lambda touched: touched.dataset),
            files=io.files,
            release=io.release,
            summary=dict(summary),
            error=error,
        )

    try:
        summary = load(spec.target)(config, io)
    except Exception as error:
        failure = _foreseen(error, settings.root)
        with contextlib.suppress(OSError):  # a full disk has no room for the record of it either
            book.write(record("failed", failure.summary if isinstance(failure, DaybreakError) else {}, str(failure)))
        raise
    done = record("done", summary)
    book.write(done)
    return done


def _foreseen(error: Exception, home: Path) -> Exception:
    """A full disk as the sentence that a person can act on; any other error as it is."""
    cause: BaseException | None = error
    while cause is not None:
        if getattr(cause, "errno", None) in NO_ROOM or any(os.strerror(number) in str(cause) for number in NO_ROOM):
            disk = os.statvfs(next(place for place in (home, *home.parents) if place.exists()))
            free = disk.f_bavail * disk.f_frsize >> 20
            return DaybreakError(
                f"the disk is full ({free} MiB free in {home}), or a limit of the user is reached: no table holds"
                " half a day; make room and run the same command again"
            )
        cause = cause.__cause__ or cause.__context__
    return error
