"""What most tests stand on: settings with a home of their own, a lake in it, and one Spark session for all tests of a
worker; and which tests go to one worker."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hypothesis
import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadFileScheduling

from daybreak.lake import Lake
from daybreak.settings import PREFIX, Settings, load_settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

hypothesis.settings.register_profile("daybreak", deadline=None)
hypothesis.settings.load_profile("daybreak")

# Small data never repays Java's second compiler, which takes a third of a night here; and what was compiled stays so.
os.environ["JDK_JAVA_OPTIONS"] = "-XX:TieredStopAtLevel=1 -XX:ReservedCodeCacheSize=400m"

REPOSITORY = Path(__file__).resolve().parent.parent
LONGEST_FIRST = ("tests/e2e", "tests/embedded/test_airflow.py")
ON_ONE_WORKER = {
    "tests/e2e": "tests/e2e",
    "tests/leaks": "trained",
    "tests/training/test_learning": "learned",
    "tests/training/test_embeddings.py": "learned",
    "tests/indexing/test_hourly.py": "learned",
    "tests/jobs/test_training_set.py": "trained",
    "tests/world": "tests/world",
}
"""Folders and files whose tests begin from the same nights; of all others, a file stays together."""


class ByPlace(LoadFileScheduling):
    """Hands a worker one file after another, or several at once that begin from the same nights."""

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid)


def group_of(nodeid: str) -> str:
    """What goes to one worker with this test."""
    path, _, _ = nodeid.partition("::")
    return next((group for place, group in ON_ONE_WORKER.items() if path.startswith(place)), path)


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadFileScheduling:
    return ByPlace(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest first, so that no worker is left with them at the end."""
    rank = {group: number for number, group in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: rank.get(group_of(item.nodeid), len(rank)))


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings as a command would load them here: home, surfaces and working directory below `tmp_path`."""
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        monkeypatch.delenv(name)
    surfaces = shutil.copy(REPOSITORY / "surfaces.yaml", tmp_path / "surfaces.yaml")
    monkeypatch.setenv("DAYBREAK_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DAYBREAK_SURFACES_FILE", str(surfaces))
    monkeypatch.setenv("DAYBREAK_DAGS_DIR", str(REPOSITORY / "dags"))
    monkeypatch.setenv("DAYBREAK_SPARK_MASTER", "local[2]")
    monkeypatch.setenv("DAYBREAK_SPARK_MEMORY", "1g")
    monkeypatch.chdir(tmp_path)
    return load_settings()


@pytest.fixture
def lake(settings: Settings) -> Lake:
    """The empty lake of `settings`."""
    return Lake.of(settings)


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """The one Spark session of this worker; steps that ask for theirs are given this one."""
    from daybreak.spark import session

    home = tmp_path_factory.mktemp("spark")
    running = session(Settings(home=home, spark_master="local[2]", spark_memory="1g"))
    yield running
    running.stop()


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Settings:
    """A lake with a week of nights, their features and training rows; whoever changes it changes a copy."""
    from tests.jobs.training_nights import make_week

    settings = Settings(home=tmp_path_factory.mktemp("trained"))
    make_week(settings)
    return settings


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of an MLflow in which nothing happened yet, which takes seconds to make."""
    from training.registry.tracking import Registry

    settings = Settings(home=tmp_path_factory.mktemp("mlflow"))
    registry = Registry.of(settings)
    registry.client.search_registered_models()
    return settings.mlflow_home / "mlflow.db"


@pytest.fixture(scope="session")
def learned(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Settings:
    """A home whose night has taught all three models and listed by them. Who changes it changes a copy."""
    import torch

    from tests.training.homes import run_night
    from tests.training.learning_homes import EVENING, NIGHT, home_in

    torch.set_num_threads(1)
    settings = home_in(tmp_path_factory.mktemp("learned"), empty_database)
    run_night(settings, NIGHT, *EVENING)
    return settings
