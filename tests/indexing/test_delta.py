"""What an hour adds to a night in a small world of vectors: where it meets nights, and what it must prove."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daybreak.errors import GateError, InputError, StaleAttempt
from daybreak.learning import ITEM
from daybreak.settings import Settings
from indexing.arrays import Ints
from indexing.opened import NOTHING, OpenIndex
from indexing.spaces import Space
from tests.indexing.vectors import (
    TWINS,
    arrivals,
    gates,
    home_in,
    index_hour,
    index_night,
    live,
    publish,
    shards,
    states,
    store_of,
    world,
)
from tests.training.homes import copy_of

NEW, CHANGED, LOST = "inew", "i0050", "i0100"


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home whose first night is live. Who changes it changes a copy."""
    settings = home_in(tmp_path_factory.mktemp("standing"), index="exact")
    index_night(settings, 1, world(1))
    return settings


@pytest.fixture
def home(standing: Settings, tmp_path: Path) -> Settings:
    return copy_of(standing, tmp_path)


def near(item: int) -> Any:
    """A vector close to an item's of the first night."""
    return world(1).items[item] * np.float32(1.1)


def test_an_item_that_returns_stops_no_night(home: Settings) -> None:
    """Gone by the hour and back with the night's delivery: the night compares itself beside what both can find."""
    states(home, 2, LOST, status="deactivated")
    arrivals(home, 2, {})
    assert index_hour(home, 2)["gone"] == 1
    states(home, 2, LOST)
    assert index_night(home, 2, world(2), limits={"questions": 512})["published"]
    assert live(home).row(LOST) >= 0
    assert ("for_items", "neighbours_kept") in gates(home, 2)


def test_what_was_made_for_another_night_is_not_added(home: Settings) -> None:
    """A night went live since the arrivals were made: its own vectors stay, and the sentence says what to run."""
    before = live(home).name
    states(home, 2, CHANGED)
    arrivals(home, 2, {CHANGED: -near(50)})
    index_night(home, 2, world(2))
    night = live(home)
    with pytest.raises(
        StaleAttempt, match=rf"to be added to {before}, and {night.name} is live.*run training.arrivals"
    ):
        index_hour(home, 2)
    assert live(home).name == night.name
    assert np.array_equal(live(home).vector(ITEM, CHANGED), world(2).items[50])


def test_an_hour_of_a_day_that_the_night_holds_is_refused(home: Settings) -> None:
    """It would bring back what was."""
    index_night(home, 2, world(2))
    states(home, 1, LOST, status="deactivated")
    arrivals(home, 1, {})
    with pytest.raises(InputError, match="already holds what came on"):
        index_hour(home, 1)


def test_a_night_run_again_does_not_undo_its_hours(home: Settings) -> None:
    """The very same release is not put in the place of itself and what came since."""
    night = live(home).name
    states(home, 2, NEW)
    arrivals(home, 2, {NEW: near(3)})
    hour = index_hour(home, 2)["release"]
    shards(home, 1)
    summary = publish(home, 1)
    assert (summary["release"], summary["published"]) == (night, False)
    assert summary["because"] == f"{hour} is live, which is this very release and what came since"
    assert live(home).row(NEW) >= 0
    assert store_of(home).open(hour).is_good


def test_what_may_not_be_shown_any_more_is_not_added(home: Settings) -> None:
    """An item that came and was taken back before its hour; and one of the night that changed and went."""
    states(home, 2, NEW, CHANGED, status="deactivated")
    arrivals(home, 2, {NEW: near(3), CHANGED: near(50)})
    summary = index_hour(home, 2)
    assert (summary["items"], summary["gone"]) == (0, 1)
    assert (live(home).row(NEW), live(home).row(CHANGED)) == (-1, -1)


def test_a_vector_out_of_all_proportion_is_not_added(home: Settings) -> None:
    """Everybody would be given it first: by its length, or by its bias alone."""
    states(home, 2, NEW)
    for vector in (near(3) * 1_000, np.r_[near(3)[:-1], 1e6]):
        arrivals(home, 2, {NEW: vector})
        with pytest.raises(GateError, match="came_longest"):
            index_hour(home, 2)
        assert live(home).row(NEW) < 0


def test_an_hour_that_goes_on_finding_what_is_gone_is_stopped(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """The gate searches for it, by its own vector."""
    first, second = TWINS[0]
    states(home, 2, first, status="deactivated")
    arrivals(home, 2, {})
    searched = OpenIndex._of_night

    def leaking(self: OpenIndex, *asked: Any) -> Any:
        hidden: Ints = self._hidden
        self._hidden = NOTHING
        try:
            return list(searched(self, *asked))
        finally:
            self._hidden = hidden

    monkeypatch.setattr(OpenIndex, "_of_night", leaking)
    with pytest.raises(GateError, match=f"gone_and_found is 1 .*{first}"):
        index_hour(home, 2)
    monkeypatch.undo()
    assert live(home).ask(Space.FOR_ITEMS, second, 1).ids == [first]
    assert index_hour(home, 2)["published"]
    assert live(home).ask(Space.FOR_ITEMS, second, 1).ids != [first]


def test_freshness_never_goes_back(home: Settings) -> None:
    """A state that was delivered late says nothing of what is in the index already."""
    night = live(home).contents.fresh_until
    states(home, 2, LOST, status="deactivated", updated_ts="2026-11-01T00:00:00Z")
    arrivals(home, 2, {})
    assert index_hour(home, 2)["published"]
    assert live(home).contents.fresh_until == night


def test_a_bare_day_means_its_night(home: Settings) -> None:
    """However many hours were added to it, and clean-up leaves the nights that it would leave without them."""
    night = live(home).name
    states(home, 2, NEW)
    hours = []
    for number in range(4):
        arrivals(home, 2, {NEW: near(number)})
        hours.append(index_hour(home, 2)["release"])
    store = store_of(home)
    assert store.open(night.rpartition("-")[0]).id == night
    assert store.rollback(reason="odd", pin=False).id == hours[-2]
    store.collect(keep=2)
    assert set(store.ids()) == {night, hours[-2], hours[-3]}
