"""Training rows are the same whichever engine joins them and however many days are made at once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pyarrow.compute as pc
import pytest

from daybreak.errors import SettingsError
from daybreak.features.training import KINDS, RANKER_ROWS
from daybreak.lake import Lake, Window
from daybreak.settings import Settings
from daybreak.steps import step_named
from tests.jobs.training_nights import NIGHTS, SHOWN_DAY, train
from tests.tiny import day

pytestmark = pytest.mark.slow


def made_again(trained: Settings, place: Path, **changes: object) -> Lake:
    """A copy of the week without its training rows, and with these settings."""
    shutil.copytree(trained.home, place, ignore=shutil.ignore_patterns("training"))
    settings = Settings(home=place, **changes)  # type: ignore[arg-type]
    if changes.get("feature_history_days") == 0:
        train(settings, NIGHTS - 2, NIGHTS - 1)
    else:
        train(settings, NIGHTS - 1)
    return Lake.of(settings)


def digest(lake: Lake, number: int) -> str:
    return lake.table(RANKER_ROWS).digest(day(number))


def test_spark_and_duckdb_join_the_same_rows(trained: Settings, tmp_path: Path) -> None:
    """The engine of the machine and that of the cluster leave equal tables, to the last bit."""
    by_spark = made_again(trained, tmp_path / "spark", point_in_time="spark")
    for number in range(SHOWN_DAY + 1):
        assert digest(by_spark, number) == digest(Lake.of(trained), number)


def test_days_made_at_once_equal_days_made_night_by_night(trained: Settings, tmp_path: Path) -> None:
    """A day's rows do not depend on which other days are made with it."""
    alone = made_again(trained, tmp_path / "alone", feature_history_days=0)
    for number in (SHOWN_DAY - 1, SHOWN_DAY):
        assert digest(alone, number) == digest(Lake.of(trained), number)


def test_every_row_is_there_once_with_what_was_known_and_nulls_where_nothing_was(trained: Settings) -> None:
    """All kinds of rows; on the first day nothing was known of anybody, on the last of nearly everybody."""
    table = Lake.of(trained).table(RANKER_ROWS)
    first, last = (table.read(Window(day(number), day(number))) for number in (0, SHOWN_DAY))
    for rows in (first, last):
        assert len(set(rows.column("row_id").to_pylist())) == rows.num_rows
    assert set(last.column("kind").to_pylist()) == set(KINDS)
    assert first.column("user_activity__views_28d").null_count == first.num_rows
    assert last.column("user_activity__views_28d").null_count == 0
    assert pc.sum(last.column("user_category__affinity")).as_py() > 0


def test_labels_taken_before_outcomes_stop_counting_are_refused() -> None:
    """An outcome must be able to come before the labels are taken; the sentence names both settings."""
    with pytest.raises(SettingsError, match=r"outcomes count for 96 hours.*raise maturity_days or lower outcome_hours"):
        step_named("jobs.training_set").configure(day(0), {"outcome_hours": 96})
