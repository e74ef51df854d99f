"""Nights go online in their order: an attempt that a newer night overtook writes nothing more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import feature_repo.materialize
from daybreak.errors import StaleAttempt
from daybreak.features.views import VIEWS
from daybreak.lake import Lake
from daybreak.settings import Settings
from feature_repo.online_store import Mark, OnlineStore, Turn, online_store
from feature_repo.redis_marks import Fenced
from feature_repo.redis_store import RedisFilling
from tests.feature_repo.conftest import Run
from tests.feature_repo.lookups import Lookups
from tests.feature_repo.nights import MONDAY, TUESDAY, write_night

SUNDAY = "2026-11-15"
WITHDRAWS = f"night {MONDAY} withdraws, because .* was given the newer night {TUESDAY}"


class Tuesday:
    """A night that runs whole while Monday's sleeps, and what it left."""

    def __init__(self, run: Run, lookups: Lookups, online: Settings) -> None:
        self._run, self._lookups, self._online = run, lookups, online
        self.left: tuple[str, dict[str, Mark]] | None = None
        self._began = False

    def comes(self) -> None:
        """Once."""
        if not self._began:
            self._began = True
            self._run("materialize", TUESDAY)
            self.left = self.found()

    def found(self) -> tuple[str, dict[str, Mark]]:
        """All values and all marks."""
        return self._lookups.everything(), online_store(self._online).marks()

    def is_all_there_is(self) -> bool:
        """Whether it came, and every value and mark is still as it left them."""
        return self.left == self.found() and {mark.night for mark in self.left[1].values()} == {TUESDAY}


@pytest.fixture
def tuesday(run: Run, tables: Lake, lookups: Lookups, online: Settings) -> Tuesday:
    """Sunday is online; Monday tells of fewer entities, Tuesday of some that neither knew."""
    run("apply", SUNDAY)
    write_night(tables, SUNDAY, range(6))
    run("materialize", SUNDAY)
    write_night(tables, MONDAY, range(5))
    write_night(tables, TUESDAY, range(3, 9))
    return Tuesday(run, lookups, online)


def test_an_attempt_that_slept_after_it_read_its_marks_is_refused(
    run: Run, tuesday: Tuesday, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It found Sunday's marks, and would write over what it does not know of."""
    sleeps_after_marks(monkeypatch, tuesday.comes)
    with pytest.raises(StaleAttempt, match=WITHDRAWS):
        run("materialize", MONDAY)
    assert tuesday.is_all_there_is()


@pytest.mark.parametrize("online", ["valkey"], indirect=True)
@pytest.mark.parametrize("method", ["put", "settle", "finish"])
def test_an_attempt_that_slept_half_way_is_refused(
    run: Run, tuesday: Tuesday, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """In Redis a view is filled command by command: none of an old night's gets through."""
    monkeypatch.setattr(RedisFilling, method, _before(getattr(RedisFilling, method), tuesday.comes))
    with pytest.raises(StaleAttempt, match=WITHDRAWS):
        run("materialize", MONDAY)
    assert tuesday.is_all_there_is()


@pytest.mark.parametrize("online", ["valkey"], indirect=True)
def test_not_even_what_was_checked_already_is_written(
    run: Run, tuesday: Tuesday, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the look at the mark and the commands that follow it no newer night can slip in."""
    monkeypatch.setattr(Fenced, "refuse_if_overtaken", _after(Fenced.refuse_if_overtaken, tuesday.comes))
    with pytest.raises(StaleAttempt, match=WITHDRAWS):
        run("materialize", MONDAY)
    assert tuesday.is_all_there_is()


@pytest.mark.parametrize("online", ["valkey"], indirect=True)
def test_commands_that_another_mark_held_up_are_sent_again(
    run: Run, tuesday: Tuesday, lookups: Lookups, monkeypatch: pytest.MonkeyPatch, online: Settings
) -> None:
    """The server drops what was under way when any mark changes; that of another view is no reason to withdraw."""
    doubts = iter([list(VIEWS)[-1]])
    with monkeypatch.context() as during:
        doubt_one = _after(
            Fenced.refuse_if_overtaken, lambda: [online_store(online).doubt(it, MONDAY) for it in doubts]
        )
        during.setattr(Fenced, "refuse_if_overtaken", doubt_one)
        run("materialize", MONDAY)
    found = lookups.everything()
    for name in VIEWS:
        online_store(online).doubt(name, MONDAY)
    run("materialize", MONDAY)
    assert lookups.everything() == found


def test_an_older_night_casts_no_doubt_on_a_newer_one(tuesday: Tuesday, online: Settings) -> None:
    """What it found wrong was its own."""
    tuesday.comes()
    for name in VIEWS:
        online_store(online).doubt(name, MONDAY)
    assert tuesday.found() == tuesday.left
    online_store(online).doubt("user_activity", TUESDAY)
    assert not online_store(online).marks()["user_activity"].holds(TUESDAY)


def test_an_older_night_that_comes_between_does_not_turn_a_newer_one_away(
    run: Run, tuesday: Tuesday, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Monday fills a view after Tuesday has planned to; Tuesday plans anew, and all of it is online."""
    store_of, began = online_store, []

    def opened(settings: Settings) -> OnlineStore:
        store = store_of(settings)
        filling = store.filling

        def after_monday(turn: Turn, whole: bool) -> object:
            if not began:
                began.append(run("materialize", MONDAY))
            return filling(turn, whole)

        if not began:
            monkeypatch.setattr(store, "filling", after_monday)
            monkeypatch.setattr(feature_repo.materialize, "online_store", store_of)
        return store

    monkeypatch.setattr(feature_repo.materialize, "online_store", opened)
    run("materialize", TUESDAY)
    found = tuesday.found()
    assert {mark.night for mark in found[1].values()} == {TUESDAY}
    for name in VIEWS:
        store_of(tuesday._online).doubt(name, TUESDAY)
    run("materialize", TUESDAY)
    assert tuesday.found()[0] == found[0]


class Rerun(Tuesday):
    """Monday's night, made anew and run whole again while an attempt at it sleeps."""

    def __init__(self, tuesday: Tuesday, tables: Lake) -> None:
        super().__init__(tuesday._run, tuesday._lookups, tuesday._online)
        self._tables = tables

    def comes(self) -> None:
        """Once."""
        if not self._began:
            self._began = True
            write_night(self._tables, MONDAY, range(2, 5))
            self._run("materialize", MONDAY)
            self.left = self.found()

    def is_all_there_is(self) -> bool:
        return self.left == self.found() and all(mark.holds(MONDAY) for mark in self.left[1].values())


def test_an_attempt_that_another_at_its_night_overtook_is_refused(
    run: Run, tuesday: Tuesday, tables: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tables changed between the two: what the older one would write is no longer so."""
    rerun = Rerun(tuesday, tables)
    sleeps_after_marks(monkeypatch, rerun.comes)
    with pytest.raises(StaleAttempt, match=f"night {MONDAY} withdraws, because .* was given it by a newer attempt"):
        run("materialize", MONDAY)
    assert rerun.is_all_there_is()


@pytest.mark.parametrize("online", ["valkey"], indirect=True)
@pytest.mark.parametrize("method", ["put", "settle", "finish"])
def test_an_attempt_that_another_at_its_night_overtook_half_way_is_refused(
    run: Run, tuesday: Tuesday, tables: Lake, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """In Redis none of its commands gets through."""
    rerun = Rerun(tuesday, tables)
    monkeypatch.setattr(RedisFilling, method, _before(getattr(RedisFilling, method), rerun.comes))
    with pytest.raises(StaleAttempt, match="was given it by a newer attempt"):
        run("materialize", MONDAY)
    assert rerun.is_all_there_is()


def sleeps_after_marks(monkeypatch: pytest.MonkeyPatch, meanwhile: Callable[[], object]) -> None:
    """The next attempt reads its marks, and something happens before it goes on."""

    def opened(settings: Settings) -> OnlineStore:
        monkeypatch.setattr(feature_repo.materialize, "online_store", online_store)
        store = online_store(settings)
        marks = store.marks()
        monkeypatch.setattr(store, "marks", lambda: marks)
        meanwhile()
        return store

    monkeypatch.setattr(feature_repo.materialize, "online_store", opened)


def _before(method: Callable[..., Any], happens: Callable[[], object]) -> Callable[..., Any]:
    def wrapped(*arguments: Any) -> Any:
        happens()
        return method(*arguments)

    return wrapped


def _after(method: Callable[..., Any], happens: Callable[[], object]) -> Callable[..., Any]:
    def wrapped(*arguments: Any) -> Any:
        answer = method(*arguments)
        happens()
        return answer

    return wrapped
