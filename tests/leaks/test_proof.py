"""A planted future changes no training row; where a join lets it through, the proof names the features."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.errors import InputError, SettingsError
from daybreak.features.as_of import EVENT_TS
from daybreak.features.training import RANKER_ROWS
from daybreak.lake import Lake
from daybreak.leaks import proof as proving
from daybreak.leaks.proof import VIEWS, prove
from daybreak.settings import Settings
from jobs import feature_join, point_in_time_duckdb
from tests.jobs.training_nights import SHOWN_DAY
from tests.tiny import day

pytestmark = pytest.mark.slow


def files_of(home: Path) -> dict[str, tuple[int, int]]:
    """Every file of the lake and the lineage, with its size and when it was changed."""
    places = [path for folder in ("lake", "lineage") for path in (home / folder).rglob("*") if path.is_file()]
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in places}


def test_a_planted_future_changes_no_training_row_and_the_lake_stays_as_it_was(trained: Settings) -> None:
    """Though it changes every view's features of the day's own night, which an hour later would have been known."""
    before = files_of(trained.home)
    proof = prove(trained)
    assert proof.holds
    assert (proof.day, proof.rows) == (day(SHOWN_DAY), Lake.of(trained).table(RANKER_ROWS).days()[day(SHOWN_DAY)])
    assert set(proof.reached_views) == {view.name for view in VIEWS}
    assert files_of(trained.home) == before


def test_a_join_by_what_rows_describe_is_found_out(trained: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A join that asks when a state began and not when it could be known: its features are named, others are not."""
    monkeypatch.setattr(point_in_time_duckdb, "AVAILABLE_TS", EVENT_TS)
    monkeypatch.setattr(feature_join, "_window", lambda chosen, days: {})
    monkeypatch.setattr(proving, "FEATURES", ("jobs.user_profile", "jobs.item_catalogue"))
    proof = prove(trained)
    assert not proof.holds
    assert {"user_profile__country", "item_catalogue__category"} <= set(proof.moved_columns)
    assert proof.moved_views == ()
    assert not any(name.startswith("user_activity") for name in proof.moved_columns)


def test_without_training_rows_the_error_says_when_there_are_some(settings: Settings) -> None:
    """A young lake has none until labels are mature."""
    with pytest.raises(InputError, match=r"training/ranker_rows has no rows yet: a day gets them when"):
        prove(settings)


def test_a_lake_elsewhere_is_not_copied(settings: Settings) -> None:
    """An object store is not planted into; the sentence says what to do instead."""
    away = settings.elsewhere(settings.home, lake_url="s3://bucket/lake")
    with pytest.raises(SettingsError, match=r"s3://bucket/lake.*copy the tables .*DAYBREAK_LAKE_URL"):
        prove(away, day(0))
