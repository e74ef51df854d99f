"""What is learned here is small, so one thread is quickest."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from daybreak.settings import Settings
from training.registry.tracking import Registry
from training.registry.versions import Versions


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


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
def without_plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """MLflow's client over HTTP without what others plug into it: Feast's part takes seconds to import."""
    monkeypatch.setattr("mlflow.utils.plugins.get_entry_points", lambda group: [])
