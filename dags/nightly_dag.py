"""### The night

Lands a day's deliveries and audits what was accepted. Then makes features, from which the online store is filled and
training rows are joined; trains the models that are due; embeds users and items, builds an index shard by shard, and
makes it live once it is proven; lists candidates by it beside those that are counted; merges and ranks all of them into
lists, gates and publishes the lists. At the end it writes the night's report. Runs at 02:00 UTC for the day that has
just ended; give `run_date` for another.

- Every task is a line that can be typed: `daybreak run <steps> --ds <day>`. Running a day again gives the same bytes.
- A foreseen failure (a missing delivery, a closed gate) fails at once with its sentence at the end of the task's log,
  and what was live stays live. Anything else is tried once more.
- Where learning fails the champions list all the same, and the run fails at its end.
- The report is written whatever happened; `verdict` then fails the run if lists, features, models or the report failed.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow.providers.standard.operators.empty import EmptyOperator
from airflow.sdk import DAG, CronDataIntervalTimetable, Param, TaskGroup

from daybreak.orchestration import DaybreakRun, Numbers, index_shards

USERS = ("profile", "activity", "sessions", "category", "brand", "item", "graph")
ITEMS = ("catalogue", "activity", "text")
SOURCES = ("popularity", "segments", "trending", "cooccurrence", "bm25", "co_view", "co_purchase", "people_pairs")
VIEWS = ["jobs.partials", *(f"jobs.user_{of}" for of in USERS), *(f"jobs.item_{of}" for of in ITEMS), "training.ids"]

with DAG(
    dag_id="nightly",
    schedule=CronDataIntervalTimetable("0 2 * * *", timezone="UTC"),
    start_date=datetime(2000, 1, 1, tzinfo=UTC),
    catchup=False,
    max_active_runs=1,
    is_paused_upon_creation=False,
    params={
        "run_date": Param(None, type=["null", "string"], format="date", title="The day to run, YYYY-MM-DD"),
        "shards": Param(index_shards(), type="integer", minimum=1, maximum=1024, title="Parts of the index"),
    },
    default_args={"retries": 1, "retry_delay": timedelta(seconds=5)},
    doc_md=__doc__,
    tags=["night"],
):
    with TaskGroup("land") as land:
        DaybreakRun(task_id="ingest", steps=["jobs.ingest"])

    with TaskGroup("audit") as audit:
        DaybreakRun(task_id="contracts", steps=["validation.audit"])

    with TaskGroup("candidates") as candidates:
        DaybreakRun(task_id="sources", steps=[f"jobs.{source}" for source in SOURCES])

    with TaskGroup("lists") as lists:
        DaybreakRun(task_id="publish", steps=["serving_export.lists", "serving_export.gates", "serving_export.publish"])

    with TaskGroup("features") as features:
        views = DaybreakRun(task_id="views", steps=VIEWS)
        online = DaybreakRun(
            task_id="online",
            steps=["feature_repo.apply", "feature_repo.materialize", "feature_repo.skew", "validation.feature_stats"],
        )
        training_rows = DaybreakRun(task_id="training_rows", steps=["jobs.training_set"])
        views >> [online, training_rows]

    with TaskGroup("models"):
        learn = DaybreakRun(
            task_id="learn",
            steps=["training.due", "training.gnn", "training.two_tower", "training.ranker", "training.people"],
        )
        tried = EmptyOperator(task_id="tried", trigger_rule="all_done")
        listed = DaybreakRun(
            task_id="candidates",
            steps=["training.candidates", "training.ease", "training.tie_order", "training.embeddings"],
        )
        learn >> tried >> listed

    with TaskGroup("index") as index:
        numbers = Numbers(task_id="numbers", parameter="shards")
        shard = DaybreakRun.partial(task_id="shard", steps=["indexing.shard"]).expand(options=numbers.output)
        neighbours = ["indexing.candidates", "indexing.content", "indexing.looks"]
        live = DaybreakRun(task_id="publish", steps=["indexing.publish", *neighbours])
        shard >> live

    with TaskGroup("report") as report:
        DaybreakRun(task_id="page", steps=["validation.report"], trigger_rule="all_done")

    verdict = EmptyOperator(task_id="verdict")

    land >> audit >> [candidates, features]
    training_rows >> [learn, listed]
    listed >> shard
    [candidates, live] >> lists >> report >> verdict
    online >> report
    [lists, features, learn, index] >> verdict
