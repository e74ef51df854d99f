"""Replacing a day and reading it back, in a folder and in an object store."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest

from daybreak.candidates import POPULARITY
from daybreak.datasets import EVENTS
from daybreak.errors import LakeError, StaleAttempt
from daybreak.lake import Lake, Window
from tests.daybreak.rows import DAY, WORK, rows, tags, write
from tests.lake import put
from tests.tiny import event

BEFORE, AFTER = "2026-11-19", "2026-11-21"


def test_a_table_that_nobody_wrote_is_empty(any_lake: Lake) -> None:
    """Before the first commit a table has no version, no day and no row, and reading it is no error."""
    table = any_lake.table(POPULARITY)
    assert (table.version(), table.days(), table.history()) == (None, {}, [])
    assert table.read().num_rows == 0
    assert table.read().column_names == [*POPULARITY.column_names, "ds"]
    assert not table.was_written(DAY)


def test_replacing_a_day_is_one_commit_and_leaves_the_other_days(any_lake: Lake) -> None:
    """The day holds the new rows and no old one, its neighbours are untouched, and one version was added."""
    for day in (BEFORE, DAY, AFTER):
        write(any_lake, "old", day)
    table = any_lake.table(POPULARITY)
    before = table.version()
    write(any_lake, "new", DAY, number=2)
    assert table.version() == before + 1
    assert table.days() == {BEFORE: 3, DAY: 2, AFTER: 3}
    assert tags(table) == ["new", "new"]
    assert tags(table, BEFORE) == tags(table, AFTER) == ["old"] * 3


def test_every_old_version_stays_readable(any_lake: Lake) -> None:
    """A version reads as it was when it was the newest, with its digest, however often the day was replaced."""
    table = any_lake.table(POPULARITY)
    versions = {tag: write(any_lake, tag) for tag in ("first", "second", "third")}
    for tag, version in versions.items():
        assert tags(table, version=version) == [tag] * 3
    assert len({table.digest(DAY, version=version) for version in versions.values()}) == 3


def test_one_attempt_that_writes_twice_keeps_both_versions(any_lake: Lake) -> None:
    """Also the files of an attempt's own earlier commit are never written over."""
    table, attempt = any_lake.table(POPULARITY), any_lake.begin(WORK, DAY)
    first = table.replace(rows("first"), attempt).version
    second = table.replace(rows("second"), attempt).version
    assert tags(table, version=first) == ["first"] * 3
    assert tags(table, version=second) == ["second"] * 3


def test_a_day_without_rows_is_written_all_the_same(any_lake: Lake) -> None:
    """A night that found nothing leaves an empty day, which is other than a day that never ran."""
    table = any_lake.table(POPULARITY)
    write(any_lake, "old")
    write(any_lake, "none", number=0)
    assert table.days() == {}
    assert table.was_written(DAY)
    assert not table.was_written(AFTER)


def test_windows_choose_days(any_lake: Lake) -> None:
    """A range holds its first and its last day and nothing beside them."""
    days = ["2026-11-18", BEFORE, DAY, AFTER]
    for day in days:
        write(any_lake, day, day)
    table = any_lake.table(POPULARITY)
    assert list(table.days(Window(since=BEFORE, until=DAY))) == [BEFORE, DAY]
    assert set(table.read(Window(since=BEFORE))["ds"].to_pylist()) == set(days[1:])
    assert set(table.read(Window(until=BEFORE))["ds"].to_pylist()) == set(days[:2])
    assert table.read(columns=["item_id"]).column_names == ["item_id"]


def test_a_past_night_does_not_see_what_landed_later(any_lake: Lake) -> None:
    """A late event belongs to its own day, and is there only for nights from its landing on."""
    table = any_lake.table(EVENTS)
    put(any_lake, EVENTS, BEFORE, [event(1, BEFORE, "u1", "i1")])
    put(any_lake, EVENTS, DAY, [event(2, DAY, "u1", "i1"), event(3, BEFORE, "u1", "i1")])
    assert table.days() == {BEFORE: 2, DAY: 1}
    assert table.days(Window(as_of=BEFORE)) == {BEFORE: 1}
    assert table.digest(BEFORE, as_of=BEFORE) != table.digest(BEFORE, as_of=DAY)


def test_history_tells_who_wrote_what(any_lake: Lake) -> None:
    """Each commit names its work, day, attempt and notes, the newest first."""
    table = any_lake.table(POPULARITY)
    write(any_lake, "old", BEFORE)
    attempt = any_lake.begin(WORK, DAY)
    table.replace(rows("new"), attempt, notes={"rows_in": 7, "why": "a test"})
    newest = table.history()[0]
    assert (newest["work"], newest["ds"], newest["token"], newest["days"]) == (WORK, DAY, str(attempt.token), DAY)
    assert (newest["rows_in"], newest["why"]) == ("7", "a test")
    assert [commit["version"] for commit in table.history()] == [2, 1, 0]


def test_an_older_attempt_withdraws_without_harm(any_lake: Lake) -> None:
    """The attempt that began first and comes last is told so, and nothing of it is visible."""
    table = any_lake.table(POPULARITY)
    older, newer = any_lake.begin(WORK, DAY), any_lake.begin(WORK, DAY)
    table.replace(rows("newer"), newer)
    version = table.version()
    with pytest.raises(StaleAttempt, match=f"attempt {older.token} of {WORK} withdraws, because attempt {newer.token}"):
        table.replace(rows("older"), older)
    assert table.version() == version
    assert tags(table) == ["newer"] * 3


def test_an_attempt_of_a_later_night_may_catch_up_a_day_that_failed_often(any_lake: Lake) -> None:
    """Attempts are numbered over all days of a work, so the next night can replace a day that was tried many times."""
    table = any_lake.table(POPULARITY)
    for _ in range(3):
        write(any_lake, "tried", DAY)
    next_night = any_lake.begin(WORK, AFTER)
    caught_up = rows("caught", 2).append_column("ds", pa.array([DAY, AFTER]))
    table.replace(caught_up, next_night, days=[DAY, AFTER])
    assert tags(table, DAY) == tags(table, AFTER) == ["caught"]


def test_a_data_file_that_is_gone_is_said_in_one_sentence(lake: Lake) -> None:
    """A lost file is no crash but a sentence with the table, the file and what to do."""
    write(lake, "lost")
    table = lake.table(POPULARITY)
    _, paths = table.local_paths(table.files())
    for path in paths:
        Path(path).write_bytes(b"")
    with pytest.raises(LakeError, match=r"candidates/popularity: data file ds=2026-11-20/\S+ cannot be read .* again"):
        table.read()


def test_a_version_that_never_was_is_said_in_one_sentence(any_lake: Lake) -> None:
    """Asking for a version beyond the newest names the table."""
    write(any_lake, "only")
    with pytest.raises(LakeError, match="candidates/popularity"):
        any_lake.table(POPULARITY).read(version=99)
