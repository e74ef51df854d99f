"""The lake in both places it can be, a local folder and an object store; releases; and the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from daybreak.lake import Lake
from daybreak.releases import ReleaseStore
from daybreak.settings import Settings
from tests.daybreak.command_line import Command, command_line
from tests.daybreak.object_store import ObjectStore, running_store


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ObjectStore]:
    """One object store for the test run."""
    with running_store(tmp_path_factory.mktemp("object-store")) as store:
        yield store


@pytest.fixture
def s3_lake(object_store: ObjectStore, tmp_path: Path) -> Lake:
    """An empty lake in the object store."""
    return Lake(object_store.fresh_lake_url(), object_store.options, tmp_path / "scratch")


@pytest.fixture(params=["local", "s3"])
def any_lake(request: pytest.FixtureRequest) -> Lake:
    """An empty lake: what holds for the local folder holds for the object store."""
    return request.getfixturevalue("lake" if request.param == "local" else "s3_lake")


@pytest.fixture
def store(settings: Settings) -> ReleaseStore:
    """The empty releases of `settings`."""
    return ReleaseStore(settings.releases)


@pytest.fixture
def daybreak(settings: Settings, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Command:
    """The command line under `settings`."""
    return command_line(monkeypatch, capsys)
