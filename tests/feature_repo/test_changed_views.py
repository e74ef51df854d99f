"""What a view no longer declares is gone online, whatever becomes of its name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from daybreak.contracts import ColumnType
from daybreak.errors import NightError
from daybreak.features.declaration import Feature, FeatureView
from daybreak.features.views import VIEWS, view_named
from daybreak.lake import Lake
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from feature_repo.redis_store import RedisFilling
from feature_repo.sqlite_store import SqliteFilling
from tests.feature_repo.conftest import Run
from tests.feature_repo.lookups import Lookups
from tests.feature_repo.nights import MONDAY, TUESDAY, rows, write

ACTIVITY = view_named("user_activity")
WITHOUT = replace(ACTIVITY, features=tuple(each for each in ACTIVITY.features if each.name != "spend_28d"))
WITH_TEXT = replace(WITHOUT, features=(*WITHOUT.features, Feature("spend_28d", ColumnType.STRING, "in words")))
Refill = Callable[[FeatureView, str], None]


@pytest.fixture
def refill(online: Settings, monkeypatch: pytest.MonkeyPatch) -> Refill:
    """Materializes a night with `user_activity` declared otherwise."""
    step = step_named("feature_repo.materialize")

    def refill(view: FeatureView, ds: str) -> None:
        monkeypatch.setitem(VIEWS, view.name, view)
        run_steps([replace(step, reads=(*step.reads, view.dataset))], ds, online)

    return refill


@pytest.fixture
def known(run: Run, tables: Lake) -> None:
    """Monday knows three users, who spent."""
    run("apply", MONDAY)
    write(tables, ACTIVITY, MONDAY, rows(ACTIVITY, MONDAY, range(3), spend_7d=0.5, spend_28d=1.5))
    run("materialize", MONDAY)


@pytest.mark.usefixtures("known")
def test_a_feature_that_left_its_view_is_gone(refill: Refill, lookups: Lookups) -> None:
    """Of everybody; the others stay, and one of its name and another type begins anew."""
    assert spent(lookups, "spend_28d") == [1.5, 1.5, 1.5]
    refill(WITHOUT, MONDAY)
    assert spent(lookups, "spend_28d") == [None, None, None]
    assert spent(lookups, "spend_7d") == [0.5, 0.5, 0.5]
    refill(WITH_TEXT, MONDAY)
    assert spent(lookups, "spend_28d") == ["1.5", "1.5", "1.5"]


@pytest.mark.usefixtures("known")
def test_who_is_removed_on_that_night_keeps_nothing_of_it(refill: Refill, lookups: Lookups, tables: Lake) -> None:
    """Nor does who comes back later."""
    write(tables, ACTIVITY, MONDAY, rows(ACTIVITY, MONDAY, range(2), spend_7d=0.5))
    refill(WITHOUT, MONDAY)
    assert spent(lookups, "spend_28d") == [None, None, None]
    write(tables, ACTIVITY, TUESDAY, rows(ACTIVITY, TUESDAY, range(3), spend_7d=0.5))
    refill(WITHOUT, TUESDAY)
    assert spent(lookups, "spend_7d") == [0.5, 0.5, 0.5]
    assert spent(lookups, "spend_28d") == [None, None, None]


@pytest.mark.usefixtures("known")
def test_a_run_that_died_before_it_was_removed_is_made_up_for(
    refill: Refill, lookups: Lookups, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one still knows which features had values."""
    with monkeypatch.context() as during:
        for kind in (RedisFilling, SqliteFilling):
            during.setattr(kind, "settle", _dies)
        with pytest.raises(NightError, match="died"):
            refill(WITHOUT, MONDAY)
    refill(WITHOUT, MONDAY)
    assert spent(lookups, "spend_28d") == [None, None, None]


def spent(lookups: Lookups, name: str) -> list[Any]:
    """What the three users spent, as it is looked up under the first declaration."""
    return [found[name] for found in lookups.all_of(ACTIVITY, range(3))]


def _dies(*_: object) -> None:
    raise NightError("died")
