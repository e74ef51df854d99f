"""What Airflow sees when it reads the DAG files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from daybreak.steps import all_steps
from tests.conftest import REPOSITORY
from tests.e2e.nights import STEPS

DAGS = REPOSITORY / "dags"
DAY = "{{ params.run_date or ((dag_run.logical_date or dag_run.run_after) | ds) }}"
LINES = {
    "land.ingest": f"daybreak run jobs.ingest --ds {DAY}",
    "audit.contracts": f"daybreak run validation.audit --ds {DAY}",
    "candidates.sources": (
        "daybreak run jobs.popularity jobs.segments jobs.trending jobs.cooccurrence jobs.bm25 jobs.co_view"
        f" jobs.co_purchase jobs.people_pairs --ds {DAY}"
    ),
    "features.views": (
        "daybreak run jobs.partials jobs.user_profile jobs.user_activity jobs.user_sessions jobs.user_category"
        " jobs.user_brand jobs.user_item jobs.user_graph jobs.item_catalogue jobs.item_activity jobs.item_text"
        f" training.ids --ds {DAY}"
    ),
    "features.online": (
        "daybreak run feature_repo.apply feature_repo.materialize feature_repo.skew validation.feature_stats"
        f" --ds {DAY}"
    ),
    "features.training_rows": f"daybreak run jobs.training_set --ds {DAY}",
    "models.learn": (
        f"daybreak run training.due training.gnn training.two_tower training.ranker training.people --ds {DAY}"
    ),
    "models.candidates": (
        f"daybreak run training.candidates training.ease training.tie_order training.embeddings --ds {DAY}"
    ),
    "index.shard": f"daybreak run indexing.shard --ds {DAY}",
    "index.publish": f"daybreak run indexing.publish indexing.candidates indexing.content indexing.looks --ds {DAY}",
    "lists.publish": f"daybreak run serving_export.lists serving_export.gates serving_export.publish --ds {DAY}",
    "report.page": f"daybreak run validation.report --ds {DAY}",
}
MAPPED = {"index.shard"}
"""Tasks that Airflow makes as many of as there are shards; each says its number besides."""
ON_DEMAND = {"training.trial", "training.arrivals", "indexing.delta", "serving_export.override"}
"""Steps that a night does without."""
HEAVY = ("pyspark", "torch", "great_expectations", "deltalake", "numpy", "pandas", "matplotlib")
READ = """
import json, sys, time
import airflow.sdk
from airflow.dag_processing.dagbag import DagBag
before = set(sys.modules)
began = time.perf_counter()
bag = DagBag(dag_folder=sys.argv[1])
seconds = time.perf_counter() - began
dags = {
    dag.dag_id: {
        "schedule": repr(dag.timetable), "catchup": dag.catchup, "max_active_runs": dag.max_active_runs,
        "paused": dag.is_paused_upon_creation, "doc": dag.doc_md or "", "file": dag.fileloc,
        "tasks": {
            task.task_id: {
                "line": getattr(task, "line", None), "rule": str(task.trigger_rule), "retries": task.retries,
                "upstream": sorted(task.upstream_task_ids), "pool": task.pool,
            } for task in dag.tasks
        },
    } for dag in bag.dags.values()
}
print(json.dumps({"dags": dags, "errors": bag.import_errors, "seconds": seconds,
                  "modules": sorted(set(sys.modules) - before)}))
"""


@pytest.fixture(scope="module")
def read() -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    command = [sys.executable, "-W", "ignore", "-c", READ, str(DAGS)]
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120)
    assert answer.returncode == 0, answer.stderr
    found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
    return found


def test_every_dag_file_loads(read: dict[str, Any]) -> None:
    """No file has an import error, and exactly the expected DAGs come out."""
    assert read["errors"] == {}
    assert sorted(read["dags"]) == ["hourly", "nightly", "train"]


def test_every_task_is_a_line_that_a_developer_types(read: dict[str, Any]) -> None:
    """Each task's command is `daybreak run STEPS --ds DAY`, nothing more."""
    tasks = read["dags"]["nightly"]["tasks"]
    typed = {name: task["line"] for name, task in tasks.items() if task["line"]}
    assert typed == {name: line for name, line in LINES.items() if name not in MAPPED}
    assert sorted(set(tasks) - set(LINES)) == ["index.numbers", "models.tried", "verdict"]


def test_every_step_there_is_runs_in_the_night_once() -> None:
    """A step that is declared and left out of the night, or of the tests that run it whole, would go unnoticed."""
    run = [word for line in LINES.values() for word in line.split() if "." in word and "{" not in word]
    in_night = sorted(name for name in run if name in all_steps())
    assert in_night == sorted(set(all_steps()) - ON_DEMAND)
    assert sorted(STEPS) == in_night


def test_the_page_of_a_night_shows_every_line_of_it() -> None:
    """What can be typed by hand is what Airflow runs."""
    page = (REPOSITORY / "docs" / "run-a-night.md").read_text(encoding="utf-8").replace("\\\n", " ")
    shown = [line.split() for line in page.splitlines() if line.startswith("daybreak run ")]
    lines = [line.replace(DAY, "2026-11-20").split() for line in LINES.values()]
    assert sorted(map(sorted, shown)) == sorted(map(sorted, lines))


def test_the_order_is_the_way_of_the_data(read: dict[str, Any]) -> None:
    """Candidates are counted while features are made; champions list also where learning failed; the report comes
    whatever became of them, and the verdict decides."""
    tasks = read["dags"]["nightly"]["tasks"]
    assert {name: task["upstream"] for name, task in tasks.items()} == {
        "land.ingest": [],
        "audit.contracts": ["land.ingest"],
        "candidates.sources": ["audit.contracts"],
        "index.numbers": [],
        "index.publish": ["index.shard"],
        "index.shard": ["index.numbers", "models.candidates"],
        "lists.publish": ["candidates.sources", "index.publish"],
        "features.views": ["audit.contracts"],
        "features.online": ["features.views"],
        "features.training_rows": ["features.views"],
        "models.learn": ["features.training_rows"],
        "models.candidates": ["features.training_rows", "models.tried"],
        "models.tried": ["models.learn"],
        "report.page": ["features.online", "lists.publish"],
        "verdict": [
            "features.online",
            "features.training_rows",
            "index.publish",
            "lists.publish",
            "models.learn",
            "report.page",
        ],
    }
    rules = {name: task["rule"].rsplit(".")[-1].lower() for name, task in tasks.items()}
    assert rules.pop("report.page") == "all_done"
    assert rules.pop("models.tried") == "all_done"
    assert set(rules.values()) == {"all_success"}


def test_a_day_runs_once_and_only_the_last_by_itself(read: dict[str, Any]) -> None:
    """Nights follow one another, none is caught up unasked, and the DAG needs no switching on."""
    dag = read["dags"]["nightly"]
    assert "CronDataIntervalTimetable" in dag["schedule"]
    assert (dag["catchup"], dag["max_active_runs"], dag["paused"]) == (False, 1, False)
    assert all(task["retries"] == 1 for task in dag["tasks"].values())


def test_reading_the_dags_is_cheap(read: dict[str, Any]) -> None:
    """Airflow reads the files again and again: no engine is loaded, and it takes no time worth naming."""
    loaded = {module.split(".")[0] for module in read["modules"]}
    assert loaded.isdisjoint(HEAVY)
    assert loaded.isdisjoint({"jobs", "training", "indexing", "validation", "serving_export"})
    assert read["seconds"] < 5


def test_dag_files_are_order_and_schedule_only(read: dict[str, Any]) -> None:
    """A DAG file is short, and its docstring is the page that operators read."""
    for dag in read["dags"].values():
        text = Path(dag["file"]).read_text(encoding="utf-8")
        assert len(text.splitlines()) <= 100
        assert "def " not in text
        assert dag["doc"].strip() in text
        assert len(dag["doc"]) > 100


def test_training_is_one_task_at_a_time_in_its_own_pool(read: dict[str, Any]) -> None:
    """Steps of the night that learn, with trials before the towers, all where a GPU's pool lets one in at a time."""
    tasks = read["dags"]["train"]["tasks"]
    lines = {name: task["line"] for name, task in tasks.items() if task["line"]}
    assert lines == {
        "due": f'daybreak run training.due --ds {DAY} --set "asked={{{{ params.because }}}}"',
        "gnn": f"daybreak run training.gnn --ds {DAY}",
        "two_tower": f"daybreak run training.two_tower --ds {DAY}",
        "ranker": f"daybreak run training.ranker --ds {DAY}",
        "people": f"daybreak run training.people --ds {DAY}",
    }
    assert {name: task["upstream"] for name, task in tasks.items()} == {
        "due": [],
        "gnn": ["due"],
        "numbers": ["gnn"],
        "trial": ["numbers"],
        "two_tower": ["trial"],
        "ranker": ["due"],
        "people": ["due"],
    }
    assert {task["pool"] for name, task in tasks.items() if name != "numbers"} == {"training"}


def test_the_hour_lands_embeds_and_indexes_what_came(read: dict[str, Any]) -> None:
    """Items alone are landed, as events come by night; the DAG waits until somebody switches it on."""
    dag = read["dags"]["hourly"]
    assert [task["line"] for task in dag["tasks"].values()] == [
        f'daybreak run jobs.ingest --ds {DAY} --set "only=items"',
        f"daybreak run jobs.item_catalogue jobs.item_text --ds {DAY}",
        f"daybreak run training.arrivals indexing.delta --ds {DAY}",
    ]
    assert {name: task["upstream"] for name, task in dag["tasks"].items()} == {
        "land": [],
        "features": ["land"],
        "index": ["features"],
    }
    assert (dag["catchup"], dag["max_active_runs"], dag["paused"]) == (False, 1, True)
