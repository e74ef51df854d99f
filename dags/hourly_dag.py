"""### The hour

Lands the items that were delivered so far today, embeds those that are new or have changed by the model that the live
index is of, and adds them to the live index beside what the night built; items that may no longer be shown are taken
out. An item that comes in the afternoon is found within the hour, and the next night folds it in. Runs at a quarter
past each hour for the day of the hour that has ended; give `run_date` for another. Paused until it is switched on.

- Every task is a line that can be typed: `daybreak run <steps> --ds <day>`. Running an hour again changes nothing.
- What came is proven to be found, and what is gone not to be, before it goes live; else the index stays as it was.
- Where a night goes live meanwhile the hour withdraws, and the next one begins from that night.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable, Param

from daybreak.orchestration import DaybreakRun

with DAG(
    dag_id="hourly",
    schedule=CronDataIntervalTimetable("15 * * * *", timezone="UTC"),
    start_date=datetime(2000, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=True,
    params={"run_date": Param(None, type=["null", "string"], format="date", title="The day to run, YYYY-MM-DD")},
    default_args={"retries": 1, "retry_delay": timedelta(seconds=5)},
    doc_md=__doc__,
    tags=["index"],
):
    land = DaybreakRun(task_id="land", steps=["jobs.ingest"], options={"only": "items"})
    features = DaybreakRun(task_id="features", steps=["jobs.item_catalogue", "jobs.item_text"])
    index = DaybreakRun(task_id="index", steps=["training.arrivals", "indexing.delta"])

    land >> features >> index
