"""Landing against a bare Spark that reads the same JSON and writes Parquet: rounds in turn, in one session, medians.

Both take a whole day: events, users, items and ties. Landing parses, types and checks every rule, tells duplicates,
keeps the account, fsyncs and commits; the bare job reads with the schema given (no inference) and writes.
Run: `python -m benchmarks.landing [--events N] [--rounds N]`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from daybreak.datasets import DELIVERED
from daybreak.lake.spark_tables import spark_schema
from daybreak.runner import run_steps
from daybreak.settings import load_settings
from daybreak.spark import session
from daybreak.steps import step_named

DS = "2026-10-22"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["DAYBREAK_HOME"] = home
        figures = measure(Path(home), options.events, options.rounds)
    print(json.dumps(figures, indent=2))


def measure(home: Path, events: int, rounds: int) -> dict[str, object]:
    """Rows a second of both, over the same files."""
    simulate = [
        "daybreak",
        "simulate",
        "--days",
        "1",
        "--start",
        DS,
        "--events-per-day",
        str(events),
        "--users",
        "20000",
    ]
    subprocess.run([*simulate, "--json"], check=True, stdout=subprocess.DEVNULL)
    settings = load_settings()
    spark = session(settings)
    files = {
        dataset: [str(path) for path in sorted((settings.landing / dataset.short_name).glob(f"ds={DS}/*.jsonl*"))]
        for dataset in DELIVERED
    }
    rows = spark.read.text([path for paths in files.values() for path in paths]).count()

    def bare() -> None:
        for dataset, paths in files.items():
            frame = spark.read.schema(spark_schema(dataset)).json(paths)
            frame.write.mode("overwrite").parquet(str(home / "bare" / dataset.short_name))

    def landing() -> None:
        shutil.rmtree(home / "lake", ignore_errors=True)
        run_steps([step_named("jobs.ingest")], DS, settings)

    seconds: dict[str, list[float]] = {"bare": [], "landing": []}
    for number in range(rounds + 1):
        for name, job in (("bare", bare), ("landing", landing)):
            took = _timed(job)
            if number:
                seconds[name].append(took)
    spark.stop()
    bare_s, landing_s = (statistics.median(seconds[name]) for name in ("bare", "landing"))
    return {
        "rows": [
            {"what": "rows delivered", "value": f"{rows:,}"},
            {"what": "bare Spark JSON to Parquet, rows/s", "value": f"{rows / bare_s:,.0f}"},
            {"what": "landing, rows/s", "value": f"{rows / landing_s:,.0f}"},
            {"what": "landing / bare (bar: 0.5)", "value": f"{bare_s / landing_s:.2f}"},
        ],
        "seconds": seconds,
    }


def _timed(job: Callable[[], None]) -> float:
    started = time.perf_counter()
    job()
    return time.perf_counter() - started


if __name__ == "__main__":
    sys.exit(main())
