"""MLflow's own UI on our store."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from daybreak.settings import Settings
from tests.daybreak.command_line import Command
from tests.training.registry.toys import ASKED, MODEL, toy
from training.registry.versions import Versions

DAY = "2026-11-20"


@pytest.fixture
def port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@pytest.fixture
def ui(settings: Settings, versions: Versions, port: int, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """`daybreak models ui`, once it says that it answers."""
    monkeypatch.setenv("DAYBREAK_MLFLOW_PORT", str(port))
    command = Path(sys.executable).with_name("daybreak")
    child = subprocess.Popen([command, "models", "ui"], stdout=subprocess.PIPE, text=True)
    try:
        assert child.stdout is not None
        assert child.stdout.readline() == f"http://127.0.0.1:{port} shows runs and models; Ctrl-C ends it\n"
        yield child
    finally:
        child.terminate()
        child.wait()


def _asked(port: int, path: str, **content: Any) -> Any:
    request = urllib.request.Request(
        f"http://127.0.0.1:{port}/{path}",
        data=json.dumps(content).encode() if content else None,
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


@pytest.mark.slow
def test_the_ui_shows_what_a_night_logged_and_moves_the_champion(
    settings: Settings,
    versions: Versions,
    ui: subprocess.Popen[str],
    port: int,
    tmp_path: Path,
    without_plugins: None,
) -> None:
    """Runs, tables and versions that are logged while it runs; an alias moved in it counts; a signal ends all of it."""
    with versions.registry.run(MODEL, DAY, params={"memory": 64}) as run:
        run.metric("ndcg@20", 0.12)
        run.table("segments", [{"segment": "light"}])
        version = versions.register(run, toy(tmp_path / "model"), ASKED)
    found = _asked(port, f"api/2.0/mlflow/runs/get?run_id={run.id}")["run"]
    assert found["info"]["status"] == "FINISHED"
    assert [(each["key"], each["value"]) for each in found["data"]["metrics"]] == [("ndcg_at_20", 0.12)]
    table = _asked(port, f"get-artifact?run_uuid={run.id}&path=tables/segments.json")
    assert table["data"] == [["light"]]
    _asked(port, "api/2.0/mlflow/registered-models/alias", name=MODEL, alias="champion", version="1")
    champion = versions.champion(MODEL, DAY)
    assert champion is not None
    assert (champion.number, champion.tags["champion_because"]) == (version.number, "moved by hand")

    elsewhere = settings.elsewhere(tmp_path / "elsewhere", mlflow_url=f"http://127.0.0.1:{port}")
    over_http = Versions.of(elsewhere)
    assert over_http.fetch(version).digest == version.digest

    family = psutil.Process(ui.pid).children(recursive=True)
    assert len(family) == 2
    ui.send_signal(signal.SIGINT)
    assert ui.wait(60) == 0
    assert not [process for process in family if process.is_running()]


def test_a_port_in_use_is_one_sentence(settings: Settings, daybreak: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the setting that chooses another."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        monkeypatch.setenv("DAYBREAK_MLFLOW_PORT", str(port))
        outcome = daybreak("models", "ui")
    assert outcome.sentence == (
        f"MLflow's UI cannot listen on 127.0.0.1 port {port}: address already in use; choose another with"
        " DAYBREAK_MLFLOW_PORT"
    )
    assert outcome.code == 3
    assert not settings.mlflow_home.exists()


def test_a_server_of_its_own_needs_no_other(
    settings: Settings, daybreak: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It says where the UI is."""
    monkeypatch.setenv("DAYBREAK_MLFLOW_URL", "https://mlflow.example.com")
    outcome = daybreak("models", "ui")
    assert "MLflow is a server of its own at https://mlflow.example.com: open that in a browser" in outcome.sentence
    assert "MLFLOW_TRACKING_URI" not in os.environ
