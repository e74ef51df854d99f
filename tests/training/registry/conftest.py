"""An MLflow of its own for each test. Making its database takes seconds, so one is made and copied."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from daybreak.settings import Settings
from tests.daybreak.command_line import Command, command_line
from tests.training.registry.toys import KIND, LOADER
from training.registry.loaders import LOADERS
from training.registry.tracking import Registry
from training.registry.versions import Versions


@pytest.fixture(scope="session")
def empty_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The database of an MLflow in which nothing happened yet."""
    settings = Settings(home=tmp_path_factory.mktemp("mlflow"))
    registry = Registry.of(settings)
    registry.client.search_registered_models()
    return settings.mlflow_home / "mlflow.db"


@pytest.fixture
def registry(settings: Settings, empty_database: Path) -> Registry:
    """The empty registry of `settings`."""
    settings.mlflow_home.mkdir(parents=True)
    shutil.copyfile(empty_database, settings.mlflow_home / "mlflow.db")
    return Registry.of(settings)


@pytest.fixture
def versions(registry: Registry) -> Versions:
    """The registered models of `registry`: none yet."""
    return Versions(registry)


@pytest.fixture
def daybreak(settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command line under `settings`."""
    return command_line(monkeypatch, capsys)


@pytest.fixture
def without_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's client over HTTP without what others plug into it: Feast's part takes seconds to import."""
    monkeypatch.setattr("mlflow.utils.plugins.get_entry_points", lambda group: [])


@pytest.fixture(autouse=True)
def _toys_can_be_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(LOADERS, KIND, LOADER)
