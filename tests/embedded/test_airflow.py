"""Whole nights through a real Airflow on a real PostgreSQL, with a stand-in for the `daybreak` command only."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from daybreak.embedded.airflow import Airflow
from daybreak.embedded.airflow_api import RunState
from daybreak.embedded.ports import free_port
from daybreak.errors import NightError
from daybreak.night import Nights, run_nights
from daybreak.settings import Settings

pytestmark = pytest.mark.slow

DAGS = Path(__file__).parents[2] / "dags"
LISTS = ["candidates.sources", "lists.publish"]
MODELS = ["models.learn", "models.candidates"]
FEATURES = ["features.views", "features.online", "features.training_rows"]
INDEX = ["index.shard[0]", "index.publish"]
TASKS = {"land.ingest", "audit.contracts", *LISTS, *FEATURES, *MODELS, *INDEX, "report.page"}
STAND_IN = """#!/bin/sh
echo "$@" >> {folder}/lines
mode=$(cat {folder}/mode)
case "$mode $*" in
dirty*validation.audit*) echo "Error: the delivery is too dirty" >&2; exit 3;;
flaky*validation.audit*) [ -e {folder}/tried ] || {{ touch {folder}/tried; echo "OSError: gone" >&2; exit 1; }};;
slow*validation.audit*) touch {folder}/slow; sleep 120;;
watched*jobs.ingest*) timeout 60 sh -c 'until [ -e {folder}/seen ]; do sleep 0.05; done';;
esac
"""
NIGHT = """
import signal, sys
from pathlib import Path
from daybreak.night import run_nights
from daybreak.settings import Settings
class Silent:
    def say(self, message): print(message, flush=True)
    def follow(self, ds, run): pass
    def finish(self, nights): print("finished", len(nights.outcomes), flush=True)
signal.signal(signal.SIGINT, signal.default_int_handler)  # background jobs of a shell inherit that it is ignored
run_nights(Settings(**eval(sys.argv[1])), sys.argv[2:], Silent())
"""


@dataclass
class Listener:
    """Remembers what a night told, and makes the file `seen` once a task was told to run."""

    seen: Path | None = None
    said: list[str] = field(default_factory=list)
    states: list[tuple[str, str | None]] = field(default_factory=list)
    finished: Nights | None = None

    def say(self, message: str) -> None:
        self.said.append(message)

    def follow(self, ds: str, run: RunState) -> None:
        self.states += [(task.task_id, task.state) for task in run.tasks]
        if self.seen and "running" in {task.state for task in run.tasks}:
            self.seen.touch()

    def finish(self, nights: Nights) -> None:
        self.finished = nights


class StandIn:
    """The `daybreak` that the tasks find: it notes its words and behaves as its mode says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        program = folder / "daybreak"
        program.write_text(STAND_IN.format(folder=folder))
        program.chmod(0o755)
        self.behave("well")

    def behave(self, mode: str) -> None:
        (self.folder / "mode").write_text(mode)
        (self.folder / "lines").write_text("")

    def lines(self) -> list[str]:
        return (self.folder / "lines").read_text().splitlines()


@pytest.fixture(scope="module")
def stand_in(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    folder = tmp_path_factory.mktemp("bin")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]]))
        patch.setenv("PYTHONPATH", str(DAGS.parent))
        for name in [name for name in os.environ if name.startswith("AIRFLOW")]:
            patch.delenv(name)
        yield StandIn(folder)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return settings_in(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def airflow(settings: Settings, stand_in: StandIn) -> Iterator[Airflow]:
    airflow = Airflow(settings)
    assert airflow.start()
    yield airflow
    airflow.stop()
    assert not airflow.running()
    assert servers_of(settings) == []


def servers_of(settings: Settings) -> list[str]:
    """Every process that works for that home."""
    home, found = str(settings.root), []
    for process in psutil.process_iter():
        try:
            words = " ".join(process.cmdline()) + process.environ().get("AIRFLOW_HOME", "")
        except psutil.Error:
            continue
        if home in words and process.status() != psutil.STATUS_ZOMBIE and process.pid != os.getpid():
            found.append(f"{process.pid} {words[:120]}")
    return found


def test_a_night_runs_every_line_in_order(airflow: Airflow, settings: Settings, stand_in: StandIn) -> None:
    """Two nights run one after another, each line once, and the account adds up."""
    stand_in.behave("watched")
    listener = Listener(stand_in.folder / "seen")
    nights = run_nights(settings, ["2026-11-19", "2026-11-20"], listener)
    assert [line.partition(" --ds ")[2].split()[0] for line in stand_in.lines()] == (
        ["2026-11-19"] * len(TASKS) + ["2026-11-20"] * len(TASKS)
    )
    order = [task.task_id for task in nights.outcomes[0].tasks]
    assert set(order) == TASKS
    assert order[:2] == ["land.ingest", "audit.contracts"]
    assert [name for name in order if name in LISTS] == LISTS
    assert [name for name in order if name in MODELS] == MODELS
    assert [name for name in order if name in INDEX] == INDEX
    assert next(name for name in order if name in FEATURES) == FEATURES[0]
    assert order[-1] == "report.page"
    assert listener.finished == nights
    assert ("land.ingest", "running") in listener.states
    for outcome in nights.outcomes:
        one_by_one = sum(task.seconds for task in outcome.tasks)
        assert 0 < outcome.airflow_seconds < outcome.seconds <= one_by_one + outcome.airflow_seconds + 0.1
    assert airflow.running()


def test_a_day_can_run_again(airflow: Airflow, settings: Settings, stand_in: StandIn) -> None:
    """The same day twice is two runs with ids of their own."""
    stand_in.behave("well")
    ids = [run_nights(settings, ["2026-10-01"], Listener()).outcomes[0].run_id for _ in range(2)]
    assert ids == ["night__2026-10-01__1", "night__2026-10-01__2"]


def test_a_foreseen_failure_is_told_and_not_tried_again(
    airflow: Airflow, settings: Settings, stand_in: StandIn
) -> None:
    """The failed step's sentence is the night's, only the report runs after it, and no second attempt is made."""
    stand_in.behave("dirty")
    with pytest.raises(
        NightError, match=r"2026-10-02 failed at audit.contracts: the delivery is too dirty \(log: /"
    ) as caught:
        run_nights(settings, ["2026-10-02", "2026-10-03"], Listener())
    assert [line.split()[1] for line in stand_in.lines()] == ["jobs.ingest", "validation.audit", "validation.report"]
    assert Path(str(caught.value).split("log: ")[1].rstrip(")")).exists()


def test_an_accident_is_tried_again(airflow: Airflow, settings: Settings, stand_in: StandIn) -> None:
    """A crash that no rule foresaw gets a second attempt, and the night goes on."""
    stand_in.behave("flaky")
    run_nights(settings, ["2026-10-04"], Listener())
    assert [line.split()[1] for line in stand_in.lines()].count("validation.audit") == 2


def test_a_second_night_is_refused(airflow: Airflow, settings: Settings, stand_in: StandIn) -> None:
    """While a night runs in one process another is refused, and the first is not disturbed."""
    stand_in.behave("slow")
    (stand_in.folder / "slow").unlink(missing_ok=True)
    first = night_process(settings, "2026-10-05")
    wait_for(stand_in.folder / "slow", first)
    with pytest.raises(NightError, match=f"another night is running: process {first.pid} works on 2026-10-05"):
        run_nights(settings, ["2026-10-06"], Listener())
    assert first.poll() is None
    first.send_signal(signal.SIGINT)
    first.wait(120)
    assert airflow.running()
    wait_until_idle(airflow)


def test_a_killed_night_leaves_nothing_and_the_next_one_finishes(stand_in: StandIn, tmp_path: Path) -> None:
    """After kill -9 of a night with servers of its own they all end, and the same command then succeeds; a DAG file
    that was broken since is refused before anything is queued."""
    settings = settings_in(tmp_path)
    stand_in.behave("slow")
    (stand_in.folder / "slow").unlink(missing_ok=True)
    killed = night_process(settings, "2026-11-20")
    wait_for(stand_in.folder / "slow", killed)
    killed.kill()
    killed.wait()
    deadline = time.monotonic() + 20
    while servers_of(settings) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert servers_of(settings) == []
    stand_in.behave("well")
    listener = Listener()
    nights = run_nights(settings, ["2026-11-20"], listener)
    assert nights.outcomes[0].run_id == "night__2026-11-20__2"
    assert "night__2026-11-20__1 was left unfinished; it is marked failed" in listener.said
    assert servers_of(settings) == []

    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "nightly_dag.py").write_text("import nothing_of_that_name\n")
    with pytest.raises(NightError, match=r"no working DAG called 'nightly': .*No module named 'nothing_of_that_name'"):
        run_nights(settings_in(tmp_path, broken), ["2026-11-20"], Listener())
    assert servers_of(settings) == []


def settings_in(home: Path, dags: Path = DAGS) -> Settings:
    return Settings.model_validate(
        {
            "home": home,
            "dags_dir": dags,
            "postgres_port": free_port("127.0.0.1", 0),
            "airflow_port": free_port("127.0.0.1", 0),
        }
    )


def night_process(settings: Settings, ds: str) -> subprocess.Popen[bytes]:
    values = json.dumps({name: str(value) for name, value in settings.model_dump(exclude_unset=True).items()})
    return subprocess.Popen([sys.executable, "-c", NIGHT, values, ds])


def wait_for(path: Path, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 180
    while not path.exists():
        assert process.poll() is None, "the night ended early"
        assert time.monotonic() < deadline, "the night did not get there"
        time.sleep(0.1)


def wait_until_idle(airflow: Airflow) -> None:
    deadline = time.monotonic() + 60
    while airflow.api.run_ids("nightly", "night__", ("queued", "running")):
        assert time.monotonic() < deadline
        time.sleep(0.2)
