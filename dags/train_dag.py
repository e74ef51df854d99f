"""### Training

Trains models weekly, after Saturday's night, and whenever it is triggered; the nights themselves train what has no
champion, has grown old or serves badly. Give `run_date` for another day than the last, `because` for the record, and
`trials` to try so many settings of the towers first, of which the best on the days before those that judge is taken.

- Every version becomes `challenger`, and where it passes its gates and gates promote, `champion`; the next night
  serves it.
- All of it runs in the pool `training`, one task at a time, and on workers of the queue `DAYBREAK_TRAINING_QUEUE`.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.sdk import DAG, CronDataIntervalTimetable, Param

from daybreak.learning import TRAINING_POOL
from daybreak.orchestration import DaybreakRun, Numbers, training_queue

with DAG(
    dag_id="train",
    schedule=CronDataIntervalTimetable("0 9 * * 0", timezone="UTC"),
    start_date=datetime(2000, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    params={
        "run_date": Param(None, type=["null", "string"], format="date", title="The day to train for, YYYY-MM-DD"),
        "because": Param("weekly", type="string", pattern=r"^[\w .,;()/-]{1,200}$", title="Why"),
        "trials": Param(0, type="integer", minimum=0, maximum=64, title="Settings of the towers to try first"),
    },
    default_args={
        "retries": 1,
        "retry_delay": timedelta(seconds=5),
        "pool": TRAINING_POOL,
        "queue": training_queue(),
    },
    doc_md=__doc__,
    tags=["models"],
):
    numbers = Numbers(task_id="numbers", parameter="trials", pool="default_pool")
    due = DaybreakRun(task_id="due", steps=["training.due"], options={"asked": "{{ params.because }}"})
    gnn = DaybreakRun(task_id="gnn", steps=["training.gnn"])
    trial = DaybreakRun.partial(task_id="trial", steps=["training.trial"]).expand(options=numbers.output)
    two_tower = DaybreakRun(task_id="two_tower", steps=["training.two_tower"], trigger_rule="none_failed")
    ranker = DaybreakRun(task_id="ranker", steps=["training.ranker"])
    people = DaybreakRun(task_id="people", steps=["training.people"])

    due >> [gnn, ranker, people]
    gnn >> numbers
    trial >> two_tower
