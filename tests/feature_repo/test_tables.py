"""The sample that is compared every night: whom it holds, and what is read to draw it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from daybreak.clock import days_before, due
from daybreak.duckdb_files import opened
from daybreak.features.declaration import FeatureView
from daybreak.features.views import view_named
from daybreak.lake import Lake, Window
from daybreak.settings import Settings
from feature_repo.tables import Tables
from tests.feature_repo.nights import MONDAY, rows, write
from tests.lake import io_of

ACTIVITY, PROFILE = view_named("user_activity"), view_named("user_profile")
LAST_COUNTING, LAST_EXPIRED = days_before(MONDAY, 6), days_before(MONDAY, 7)


@contextmanager
def tables_of(settings: Settings) -> Iterator[Tables]:
    with opened(settings.scratch, "256MB") as database:
        yield Tables(io_of("feature_repo.skew", settings, MONDAY), due(MONDAY, "06:00"), database)


def sample(settings: Settings, view: FeatureView, seed: int = 1) -> list[int]:
    """The numbers of fifty users."""
    with tables_of(settings) as tables:
        return [int(keys["user_id"][1:]) for keys in tables.sample(view, 50, seed)]


def test_most_of_a_sample_counts_and_a_few_are_expired(settings: Settings, lake: Lake) -> None:
    """Though many more entities are gone than are left; the seed alone decides which are drawn."""
    write(lake, ACTIVITY, LAST_EXPIRED, rows(ACTIVITY, LAST_EXPIRED, range(500)))
    write(lake, ACTIVITY, LAST_COUNTING, rows(ACTIVITY, LAST_COUNTING, range(60)))
    drawn = sample(settings, ACTIVITY)
    counting = [number for number in drawn if number < 60]
    assert (len(set(drawn)), len(set(counting))) == (50, 45)
    assert sample(settings, ACTIVITY) == drawn
    assert sample(settings, ACTIVITY, seed=2) != drawn


def test_a_sample_is_full_where_nobody_or_hardly_anybody_expired(settings: Settings, lake: Lake) -> None:
    """A state counts until the next one; a view with fewer entities gives them all."""
    write(lake, PROFILE, LAST_EXPIRED, rows(PROFILE, LAST_EXPIRED, range(60)))
    write(lake, ACTIVITY, LAST_EXPIRED, rows(ACTIVITY, LAST_EXPIRED, [0, 1, 2]))
    write(lake, ACTIVITY, LAST_COUNTING, rows(ACTIVITY, LAST_COUNTING, range(2, 30)))
    assert len(set(sample(settings, PROFILE))) == 50
    assert sorted(sample(settings, ACTIVITY)) == list(range(30))


def test_a_view_without_rows_has_nobody_to_draw(settings: Settings, lake: Lake) -> None:
    """And nothing is known of anybody."""
    write(lake, ACTIVITY, MONDAY, [])
    assert sample(settings, ACTIVITY) == []
    with tables_of(settings) as tables:
        assert tables.known(ACTIVITY, [{"user_id": "u0"}]) == [{}]


def test_nights_that_cannot_matter_are_not_read(settings: Settings, lake: Lake) -> None:
    """To know the rows those that may count are enough, to draw the sample a week more."""
    table = lake.table(ACTIVITY.dataset)
    ancient = days_before(MONDAY, 30)
    for ds in (ancient, *(days_before(MONDAY, days) for days in range(7, 14)), LAST_COUNTING):
        write(lake, ACTIVITY, ds, rows(ACTIVITY, ds, [0], spend_7d=1.0))
    _remove(lake, ancient)
    assert sample(settings, ACTIVITY) == [0]
    _remove(lake, LAST_EXPIRED)
    with tables_of(settings) as tables:
        (row,) = tables.known(ACTIVITY, [{"user_id": "u0"}])
    assert row["spend_7d"] == 1.0
    assert table.days(Window(until=LAST_EXPIRED))[ancient] == 1, "the table still names what is gone"


def _remove(lake: Lake, ds: str) -> None:
    """Takes the files of a night away, so that reading them fails."""
    table = lake.table(ACTIVITY.dataset)
    for path in table.local_paths(table.files(Window(since=ds, until=ds)))[1]:
        Path(path).unlink()
