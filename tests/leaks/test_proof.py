"""A planted future changes no training row; where a join lets it through, the proof names the features."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from pyspark.sql import functions as F

from daybreak.contracts import DS
from daybreak.errors import InputError, SettingsError
from daybreak.features.as_of import EVENT_TS
from daybreak.features.training import RANKER_ROWS
from daybreak.lake import Lake
from daybreak.leaks import proof
from daybreak.leaks.planting import Planted
from daybreak.leaks.proof import TRIED_VIEWS, Proof, prove
from daybreak.settings import Settings
from jobs import point_in_time_duckdb, training_set, user_brand
from jobs.affinity import affinity
from jobs.spine import spine
from tests.jobs.training_nights import SHOWN_DAY
from tests.tiny import day

pytestmark = pytest.mark.slow
TRIED = SHOWN_DAY - 1
"""The newest day that has one after it."""


def files_of(home: Path) -> dict[str, tuple[int, int]]:
    """Every file of the lake and the lineage, with its size and when it was changed."""
    places = [path for folder in ("lake", "lineage") for path in (home / folder).rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in places}


def test_a_planted_future_changes_no_training_row_and_the_lake_stays_as_it_was(trained: Settings) -> None:
    """Though it changes every feature of the day's own night, which an hour later would have been known."""
    before = files_of(trained.home)
    found = prove(trained)
    assert found.holds
    assert (found.day, found.rows) == (day(TRIED), Lake.of(trained).table(RANKER_ROWS).days()[day(TRIED)])
    assert set(found.reached_views) == {view.name for view in TRIED_VIEWS}
    assert (found.unreached_views, found.unreached_features) == ((), ())
    assert files_of(trained.home) == before


def test_what_leaks_is_named_and_so_is_what_was_not_tried(trained: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A join that asks when a state began and not when it could be known; a spine that counts outcomes that came after
    the labels were mature; and a job that does not read what its night delivered, of which nothing is proved."""
    monkeypatch.setattr(point_in_time_duckdb, "AVAILABLE_TS", EVENT_TS)
    monkeypatch.setattr(training_set, "spine", lambda *told: spine(*told[:-1], told[-1] + 1))
    monkeypatch.setattr(
        user_brand, "affinity", lambda tastes, *more: affinity(tastes.where(F.col(DS) < day(TRIED)), *more)
    )
    found = prove(trained)
    assert found.moved
    assert not found.holds
    assert {"user_profile__country", "item_catalogue__category", "clicked", "purchased"} <= set(found.moved_columns)
    assert not any(name.startswith("user_activity") for name in found.moved_columns)
    assert found.moved_views == ()
    assert found.unreached_views == ("user_brand",)


def test_a_view_of_which_nothing_is_proved_is_no_proof() -> None:
    """Nothing moved, but in one view nothing that was planted could have."""
    nothing_moved = Proof(
        day=day(TRIED),
        rows=10,
        planted=Planted(
            late_events=1, events_of_the_day=1, outcomes_after_maturity=1, user_states=1, item_states=1, ties=1
        ),
        moved_rows=0,
        moved_columns={},
        moved_views=(),
        reached_views=("user_item",),
        unreached_views=(),
        unreached_features=(),
    )
    assert nothing_moved.holds
    assert not replace(nothing_moved, unreached_views=("user_brand",)).holds


def test_without_training_rows_the_error_says_when_there_are_some(settings: Settings) -> None:
    """A young lake has none until labels are mature."""
    with pytest.raises(InputError, match=r"training/ranker_rows has rows of 0 days, .*: a day gets rows when"):
        prove(settings)


@pytest.mark.parametrize(
    ("tried", "sentence"),
    [
        (SHOWN_DAY, f"{day(SHOWN_DAY)} is tried together with the next day, .* once night {day(7)} was landed"),
        (SHOWN_DAY + 1, f"{day(SHOWN_DAY + 1)} has no training rows to try"),
    ],
)
def test_a_day_that_cannot_be_tried_is_refused_before_any_step_runs(
    trained: Settings, monkeypatch: pytest.MonkeyPatch, tried: int, sentence: str
) -> None:
    """The newest day of rows has none after it; a later one has no rows."""
    monkeypatch.setattr(proof, "run_steps", lambda *steps: pytest.fail("a step ran"))
    with pytest.raises(InputError, match=sentence):
        prove(trained, day(tried))
    assert not list(trained.scratch.glob("leaks-*"))


def test_a_lake_elsewhere_is_not_copied(settings: Settings) -> None:
    """An object store is not planted into; the sentence says what to do instead."""
    away = settings.elsewhere(settings.home, lake_url="s3://bucket/lake")
    with pytest.raises(SettingsError, match=r"s3://bucket/lake.*copy the tables .*DAYBREAK_LAKE_URL"):
        prove(away, day(0))
