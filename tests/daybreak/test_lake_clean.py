"""Clean-up of a table: what a pinned version needs stays, what nobody needs goes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daybreak.candidates import POPULARITY
from daybreak.lake import Lake
from tests.daybreak.rows import DAY, WORK, rows, tags, write

DAYS = ("2026-11-18", "2026-11-19", DAY)


@settings(max_examples=12, deadline=None)
@given(
    writes=st.lists(st.sampled_from(DAYS), min_size=1, max_size=7),
    pins=st.sets(st.integers(1, 7), max_size=3),
)
def test_clean_up_keeps_every_file_of_the_newest_and_the_pinned_versions(
    tmp_path_factory: pytest.TempPathFactory, writes: list[str], pins: set[int]
) -> None:
    """Whatever was written and whatever is pinned: those versions read as before, and no other file is left."""
    lake = Lake(str(tmp_path_factory.mktemp("lake")))
    table = lake.table(POPULARITY)
    for number, day in enumerate(writes):
        write(lake, f"write{number}", day)
    pinned = sorted(pin for pin in pins if pin <= len(writes))
    kept = sorted({*pinned, len(writes)})
    before = {version: _digests(lake, version) for version in kept}
    needed = {file.path for version in kept for file in table.files(version=version)}
    table.clean(pinned, retention_hours=0)
    assert {version: _digests(lake, version) for version in kept} == before
    assert _files(lake) == needed


def test_clean_up_removes_what_crashed_writers_left(lake: Lake) -> None:
    """Files that were moved in but never committed go, and so do staged ones; the table reads as before."""
    write(lake, "good")
    table = lake.table(POPULARITY)
    place = Path(lake.url) / POPULARITY.name
    orphan = place / f"ds={DAY}" / f"{DAY}-000009-000001-00000.parquet"
    orphan.write_bytes((place / table.files()[0].path).read_bytes())
    staged = place / "_staged" / f"{WORK}-{DAY}-9"
    staged.mkdir(parents=True)
    (staged / "part-00000.parquet").write_bytes(b"half")
    table.clean(retention_hours=0)
    assert not orphan.exists()
    assert not staged.exists()
    assert tags(table) == ["good"] * 3


def test_clean_up_leaves_what_is_recent(lake: Lake) -> None:
    """What a running writer may be about to commit, and what a running reader may still read, is a week safe."""
    write(lake, "old")
    write(lake, "new")
    place = Path(lake.url) / POPULARITY.name
    staged = place / "_staged" / f"{WORK}-{DAY}-9"
    staged.mkdir(parents=True)
    before = _files(lake)
    assert lake.table(POPULARITY).clean() == []
    assert _files(lake) == before
    assert staged.exists()


def test_a_clean_up_of_a_table_that_is_not_there_does_nothing(any_lake: Lake) -> None:
    """It makes no table and removes nothing."""
    assert any_lake.table(POPULARITY).clean() == []
    assert any_lake.table(POPULARITY).version() is None


@pytest.mark.slow
def test_old_versions_stay_readable_through_a_year_of_commits(lake: Lake) -> None:
    """The log is checkpointed every hundred commits; that must not take away what the past nights were, nor the
    numbers that fence old attempts."""
    table = lake.table(POPULARITY)
    stale = lake.begin(WORK, "2026-11-01")
    first = write(lake, "first", "2026-11-01")
    log = Path(lake.url) / POPULARITY.name / "_delta_log"
    for number in range(105):
        if number == 95:
            last_year = time.time() - 400 * 86_400
            for path in log.iterdir():
                os.utime(path, (last_year, last_year))
        write(lake, f"night{number}")
    assert list(log.glob("*.checkpoint.parquet")), "without a checkpoint this test proves nothing"
    assert tags(table, "2026-11-01", first) == ["first"] * 3
    assert tags(table, "2026-11-01") == ["first"] * 3
    with pytest.raises(Exception, match="withdraws"):
        table.replace(rows("stale"), stale)


def _digests(lake: Lake, version: int) -> list[str]:
    return [lake.table(POPULARITY).digest(day, version=version) for day in DAYS]


def _files(lake: Lake) -> set[str]:
    place = Path(lake.url) / POPULARITY.name
    return {str(path.relative_to(place)) for path in place.rglob("*.parquet") if "_delta_log" not in path.parts}
