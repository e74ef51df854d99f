"""What windows of 28 days cost a night more than windows of 1 day: the same night's features, made either way.

Five weeks of events lie in the lake with their partials, as every night leaves them. Then the last night is made again
and again, its partials and all that is counted from them: once as declared, once as if no window were longer than a
day. A process of its own makes it a few times: the first as every night does, in a Java that has compiled nothing
yet; the last two warm, which shows more of the windows and less of Java. CPU seconds count the JVM too.
Run: `python -m benchmarks.feature_windows [--events N] [--processes N]`.
"""

from __future__ import annotations

import argparse
import importlib
import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pyarrow as pa

from daybreak.clock import days_before
from daybreak.contracts import DS, LANDED_DS
from daybreak.datasets import DELIVERIES, EVENTS
from daybreak.lake import Lake
from daybreak.lake.schemas import full_schema
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named

NIGHT = "2026-11-20"
NIGHTS = 36
USERS, ITEMS = 20_000, 5_000
COUNTED = ("user_activity", "item_activity", "user_sessions", "user_category", "user_brand", "user_item")
KINDS, SHARES = ("impression", "view", "cart", "purchase", "rating"), (0.7, 0.2, 0.05, 0.03, 0.02)
AS_DECLARED, ONE_DAY = "28", "1"
NIGHTS_A_PROCESS = 4


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=100_000, help="events a night")
    parser.add_argument("--processes", type=int, default=2, help="that make the night each way")
    parser.add_argument("--child", nargs=2, metavar=("HOME", "DAYS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        print(json.dumps(_nights(Path(options.child[0]), options.child[1])))
        return
    with tempfile.TemporaryDirectory() as home:
        figures = _measure(Path(home), options.events, options.processes)
    print(json.dumps(figures, indent=2))


def _measure(home: Path, events: int, processes: int) -> dict[str, Any]:
    _fill(Lake.of(Settings(home=home)), events)
    _child(home, AS_DECLARED)
    spent: dict[str, list[list[float]]] = {AS_DECLARED: [], ONE_DAY: []}
    for _ in range(processes):
        for days, runs in spent.items():
            runs.append(_child(home, days))
    first = {days: statistics.median(run[0] for run in runs) for days, runs in spent.items()}
    warm = {days: statistics.median(cost for run in runs for cost in run[-2:]) for days, runs in spent.items()}
    rows = [
        {
            "what": f"a night's counted features, windows up to {AS_DECLARED} days, CPU s",
            "value": f"{first[AS_DECLARED]:.1f}",
        },
        {"what": f"the same with windows of {ONE_DAY} day, CPU s", "value": f"{first[ONE_DAY]:.1f}"},
        {"what": "28 days / 1 day (bar: at most 1.5)", "value": f"{first[AS_DECLARED] / first[ONE_DAY]:.2f}"},
        {"what": "the same in a Java that is warm, CPU s", "value": f"{warm[AS_DECLARED]:.1f} / {warm[ONE_DAY]:.1f}"},
        {"what": "28 days / 1 day, warm", "value": f"{warm[AS_DECLARED] / warm[ONE_DAY]:.2f}"},
    ]
    return {"rows": rows, "cpu_s": spent}


def _child(home: Path, days: str) -> list[float]:
    command = [sys.executable, "-m", "benchmarks.feature_windows", "--child", str(home), days]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    spent: list[float] = json.loads(done.stdout)
    return spent


def _fill(lake: Lake, events: int) -> None:
    """Nights of events, and the accounts that say they were landed."""
    random = np.random.default_rng(7)
    for back in range(NIGHTS - 1, -1, -1):
        night = days_before(NIGHT, back)
        lake.table(EVENTS).replace(_events(random, night, events), lake.begin("benchmark", night))
        counts = dict.fromkeys(("files", "rows_in", "accepted", "quarantined", "duplicates", "late"), 0)
        account = pa.Table.from_pylist([{"dataset": EVENTS.name, **counts, DS: night}], schema=full_schema(DELIVERIES))
        lake.table(DELIVERIES).replace(account, lake.begin("benchmark", night))


def _events(random: np.random.Generator, night: str, number: int) -> pa.Table:
    users = np.minimum(random.zipf(1.3, number), USERS)
    items = np.minimum(random.zipf(1.2, number), ITEMS)
    kinds = random.choice(np.array(KINDS), number, p=SHARES)
    begun = np.datetime64(night, "us").astype(np.int64)
    moments = begun + random.integers(0, 86_400_000_000, number)
    columns: dict[str, Any] = {
        "event_id": [f"{night}-{place}" for place in range(number)],
        "event_ts": pa.array(moments, pa.timestamp("us", tz="UTC")),
        "user_id": [f"u{user}" for user in users],
        "item_id": [f"i{item}" for item in items],
        "event_type": kinds,
        "session_id": [f"s{user}-{moment // 7_200_000_000}" for user, moment in zip(users, moments, strict=True)],
        "price": pa.array(np.where(kinds == "purchase", random.integers(1, 90, number), np.nan), from_pandas=True),
        DS: [night] * number,
        LANDED_DS: [night] * number,
    }
    schema = full_schema(EVENTS)
    return pa.table(
        [columns.get(name, pa.nulls(number, schema.field(name).type)) for name in schema.names], schema=schema
    )


def _nights(home: Path, days: str) -> list[float]:
    """CPU seconds of the night, time after time; the first from the start of the process."""
    if days == ONE_DAY:
        _look_back_one_day()
    settings = Settings(home=home, feature_history_days=0)
    steps = [step_named(f"jobs.{name}") for name in ("partials", *COUNTED)]
    spent, before = [], 0.0
    for _ in range(NIGHTS_A_PROCESS):
        run_steps(steps, NIGHT, settings)
        now = _cpu_seconds()
        spent.append(now - before)
        before = now
    return spent


def _look_back_one_day() -> None:
    for name in ("activity", "affinity", *COUNTED):
        job: Any = importlib.import_module(f"jobs.{name}")
        reaches = [reach for reach in ("REACH_DAYS", "LONGEST_WINDOW") if hasattr(job, reach)]
        assert reaches, f"jobs.{name} has no window to shorten"
        for reach in reaches:
            setattr(job, reach, 1)


def _cpu_seconds() -> float:
    """Of this process and of the JVM that it started."""
    me = psutil.Process()
    times = [process.cpu_times() for process in (me, *me.children(recursive=True))]
    return sum(each.user + each.system for each in times)


if __name__ == "__main__":
    main()
