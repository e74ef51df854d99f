"""Three nights over a simulated month, as `make nightly` runs them: what a night takes, and what of it is start-up.

The first night lands the whole month; the second is the one to look at. Run: `python -m benchmarks.night [--events
N]`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from daybreak.lineage import LineageBook


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=50_000, help="events a day")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as home:
        os.environ["DAYBREAK_HOME"] = home
        figures = measure(Path(home), options.events)
    print(json.dumps(figures, indent=2))


def measure(home: Path, events: int) -> dict[str, Any]:
    """The account of the second of three nights."""
    _daybreak("simulate", "--days", "30", "--events-per-day", str(events), "--json")
    nights = json.loads(_daybreak("nightly", "--nights", "3", "--json"))
    second = nights["nights"][1]
    runs = LineageBook(home / "lineage").runs_of(second["ds"])
    spark = sum(run.spark_start_seconds for run in runs)
    steps = sum(run.seconds for run in runs)
    commands = sum(task["seconds"] or 0.0 for task in second["tasks"])
    return {
        "rows": [
            {"what": "events a day", "value": f"{events:,}"},
            {"what": "second night, s (bar: 180)", "value": f"{second['seconds']:.1f}"},
            {"what": "  of it Airflow's scheduling, s", "value": f"{second['airflow_seconds']:.1f}"},
            {"what": "its tasks, some side by side, s", "value": f"{commands:.1f}"},
            {"what": "  of it starting Spark's JVM, s", "value": f"{spark:.1f}"},
            {"what": "  of it starting Python and libraries, s", "value": f"{commands - steps:.1f}"},
            {"what": "  of it the steps' own work, s", "value": f"{steps - spark:.1f}"},
            {"what": "start of PostgreSQL and Airflow, once, s", "value": f"{nights['start_seconds']:.1f}"},
        ],
        "nights": nights,
        "steps": [{"step": run.step, "seconds": run.seconds, "mb": run.peak_memory_mb} for run in runs],
    }


def _daybreak(*arguments: str) -> str:
    return subprocess.run(["daybreak", *arguments], check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    sys.exit(main())
