"""What a run logs, and what is said where MLflow cannot be reached."""

from __future__ import annotations

import http.server
import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mlflow.artifacts import load_dict

from daybreak.errors import RegistryError, RegistryUnreachable
from daybreak.settings import Settings
from tests.conftest import REPOSITORY
from training.registry.tracking import Registry, flattened, metric_name

DAY, MODEL = "2026-11-20", "two_tower"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("ndcg@20", "ndcg_at_20"),
        ("history/light/ndcg@20", "history/light/ndcg_at_20"),
        ("loss (train)", "loss _train_"),
        ("läuft", "läuft"),
    ],
)
def test_a_metric_gets_a_name_that_mlflow_takes(registry: Registry, ours: str, theirs: str) -> None:
    """MLflow refuses `@` and some others."""
    with registry.run(MODEL, DAY) as run:
        run.metric(ours, 0.5)
    assert metric_name(ours) == theirs
    assert registry.client.get_run(run.id).data.metrics == {theirs: 0.5}


def test_a_configuration_is_flattened() -> None:
    """Each value below its path; lists stay together."""
    assert dict(flattened({"towers": {"memory": 64, "hidden": [8, 4]}, "name": "x", "none": None})) == {
        "towers.memory": "64",
        "towers.hidden": "[8, 4]",
        "name": "x",
        "none": "null",
    }


def test_a_run_holds_everything_that_was_logged(registry: Registry) -> None:
    """Parameters, tags, every point of a curve, tables, figures, documents and the tables that were read."""
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([1, 2])
    params = {"towers": {"memory": 64}, **{f"p{number}": number for number in range(150)}}
    with registry.run(MODEL, DAY, tags={"code_version": "f00"}, params=params) as run:
        for step in range(1_200):
            run.metric("loss", 1 / (step + 1), step)
        run.metrics({"ndcg@20": 0.12, "users": 7})
        run.table("segments", [{"segment": "light", "ndcg@20": 0.1}, {"segment": "heavy", "ndcg@20": 0.2}])
        run.table("nothing", [])
        run.figure("calibration", figure)
        run.document("lineage", {"tables": {"training/rows": 4}})
        run.inputs({"training/rows": 4})
    found = registry.client.get_run(run.id)
    assert (found.info.status, found.info.run_name) == ("FINISHED", DAY)
    assert registry.client.get_experiment(found.info.experiment_id).name == MODEL
    assert found.data.params["towers.memory"] == "64"
    assert len(found.data.params) == 151
    assert {"ds": DAY, "code_version": "f00"}.items() <= found.data.tags.items()
    curve = registry.client.get_metric_history(run.id, "loss")
    assert [(point.step, point.value) for point in curve] == [(step, 1 / (step + 1)) for step in range(1_200)]
    assert found.data.metrics["ndcg_at_20"] == 0.12
    assert [(each.dataset.name, each.dataset.digest) for each in found.inputs.dataset_inputs] == [
        ("training/rows", "version 4")
    ]
    lineage = f"{found.info.artifact_uri}/lineage.json"
    assert load_dict(lineage) == {"tables": {"training/rows": 4}}
    table = load_dict(f"{found.info.artifact_uri}/tables/segments.json")
    assert (table["columns"], table["data"]) == (["segment", "ndcg@20"], [["light", 0.1], ["heavy", 0.2]])
    assert {"path": "tables/segments.json", "type": "table"} in json.loads(found.data.tags["mlflow.loggedArtifacts"])
    assert [each.path for each in registry.client.list_artifacts(run.id, "figures")] == ["figures/calibration.png"]


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (ValueError("the loss\nis NaN"), "FAILED", "the loss is NaN"),
        (RuntimeError(), "FAILED", "RuntimeError"),
        (KeyboardInterrupt(), "KILLED", "KeyboardInterrupt"),
    ],
)
def test_a_run_that_fails_says_why(registry: Registry, error: BaseException, status: str, reason: str) -> None:
    """The error goes on as it was; what had been measured is kept."""

    def train(into: list[str]) -> None:
        with registry.run(MODEL, DAY) as run:
            into.append(run.id)
            run.metric("loss", 9.0)
            raise error

    ids: list[str] = []
    with pytest.raises(type(error)) as caught:
        train(ids)
    assert caught.value is error
    found = registry.client.get_run(ids[0])
    assert (found.info.status, found.data.tags["reason"]) == (status, reason)
    assert found.data.metrics == {"loss": 9.0}


def test_an_experiment_that_somebody_deleted_comes_back(registry: Registry) -> None:
    """A night does not fail because somebody tidied up in the UI."""
    experiment = registry.experiment(MODEL)
    registry.client.delete_experiment(experiment)
    assert registry.experiment(MODEL) == experiment
    assert registry.client.get_experiment(experiment).lifecycle_stage == "active"


def test_nothing_of_it_lies_outside_its_home(registry: Registry, settings: Settings, tmp_path: Path) -> None:
    """Artifacts are below home/mlflow, and the working directory stays clean."""
    before = {path.name for path in tmp_path.iterdir()}
    with registry.run(MODEL, DAY) as run:
        run.document("lineage", {})
    place = registry.client.get_run(run.id).info.artifact_uri
    assert Path(place).is_relative_to(settings.mlflow_home)
    assert {path.name for path in tmp_path.iterdir()} == before


def _closed_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}", "postgresql://daybreak:secret@127.0.0.1:{port}/mlflow"])
def test_an_mlflow_that_is_down_is_one_sentence_at_once(settings: Settings, url: str) -> None:
    """Which MLflow, why, that nothing changed, and what to do; a password is not shown."""
    down = settings.elsewhere(settings.home, mlflow_url=url.format(port=_closed_port()))
    began = time.monotonic()
    with pytest.raises(RegistryUnreachable) as caught, Registry.of(down).run(MODEL, DAY):
        pass
    assert time.monotonic() - began < 5
    sentence = str(caught.value)
    assert sentence.startswith(f"MLflow at {url.partition(':')[0]}")
    assert "does not answer (" in sentence
    assert "refused" in sentence
    assert sentence.endswith(
        "; the champion stays as it was; start it or set DAYBREAK_MLFLOW_URL, then run the same command again"
    )
    assert "secret" not in sentence
    assert "\n" not in sentence


class _Overloaded(http.server.BaseHTTPRequestHandler):
    """Is well, but has no time for anything."""

    def do_GET(self) -> None:
        self.send_response(200 if self.path == "/health" else 503)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def overloaded(without_plugins: None) -> Iterator[str]:
    """An MLflow like that."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Overloaded) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_an_mlflow_that_fails_while_it_is_asked_is_the_same_sentence(settings: Settings, overloaded: str) -> None:
    """Not only at the start; and it may be tried again."""
    with pytest.raises(
        RegistryUnreachable, match=r"^MLflow at http://127.* does not answer \(too many 503 error responses\)"
    ):
        Registry.of(settings.elsewhere(settings.home, mlflow_url=overloaded)).experiment(MODEL)


def test_a_database_of_another_mlflow_is_told(registry: Registry, settings: Settings) -> None:
    """A refusal is not worth another try; it says what brings the database to this version."""
    with sqlite3.connect(settings.mlflow_home / "mlflow.db") as database:
        database.execute("UPDATE alembic_version SET version_num = '0'")
    with pytest.raises(RegistryError, match=r"is of another version of MLflow.*mlflow db upgrade") as caught:
        registry.experiment(MODEL)
    assert caught.value.exit_code == 10


MAKE = """
import sys
from daybreak.settings import Settings
from training.registry.tracking import Registry
from pathlib import Path
registry = Registry.of(Settings(home=Path(sys.argv[1])))
with registry.run("two_tower", sys.argv[2]) as run:
    run.metric("loss", 1.0)
"""


@pytest.mark.slow
def test_processes_that_make_the_database_at_once_all_log_their_runs(tmp_path: Path) -> None:
    """Into one database and one experiment, without a word on standard error."""
    days = ["2026-11-18", "2026-11-19"]
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    children = [
        subprocess.Popen(
            [sys.executable, "-c", MAKE, str(tmp_path), day], env=environment, stderr=subprocess.PIPE, text=True
        )
        for day in days
    ]
    assert [(child.communicate()[1], child.returncode) for child in children] == [("", 0)] * len(days)
    client = Registry.of(Settings(home=tmp_path)).client
    (experiment,) = [each for each in client.search_experiments() if each.name == MODEL]
    runs = client.search_runs([experiment.experiment_id])
    assert sorted(run.info.run_name for run in runs) == days


def test_steps_and_the_command_line_stay_light() -> None:
    """Nothing of the registry imports MLflow before it is asked."""
    program = (
        "import sys, daybreak.cli.main, training.registry.versions, training.registry.gates, training.registry.ui\n"
        "sys.exit(', '.join(sorted({'mlflow', 'pandas', 'torch', 'sqlalchemy'} & set(sys.modules))) or None)"
    )
    checked = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (checked.returncode, checked.stderr) == (0, "")
