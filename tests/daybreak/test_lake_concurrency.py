"""Writers that overlap: of different days, of the same day, in threads and in processes."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pyarrow as pa

from daybreak.candidates import POPULARITY
from daybreak.contracts import Column, ColumnType
from daybreak.errors import StaleAttempt
from daybreak.lake import Attempt, Lake
from tests.daybreak.children import outcomes
from tests.daybreak.rows import DAY, WORK, as_delta, rows, tags, write

DAYS = [f"2026-12-{number:02d}" for number in range(1, 9)]
LOST = 5


def test_threads_that_write_different_days_all_succeed(any_lake: Lake) -> None:
    """Also the very first commits, when the table is not there yet, and each is told its own version."""
    with ThreadPoolExecutor(len(DAYS)) as pool:
        versions = list(pool.map(lambda day: write(any_lake, day, day), DAYS))
    table = any_lake.table(POPULARITY)
    assert table.days() == dict.fromkeys(DAYS, 3)
    for day, version in zip(DAYS, versions, strict=True):
        assert day in table.days(version=version)
        assert day not in table.days(version=version - 1)
    for day, version in zip(DAYS, versions, strict=True):
        assert tags(table, day, version) == [day] * 3


def test_processes_that_write_different_days_all_succeed(tmp_path: Path) -> None:
    """The same with processes, which share nothing but the folder."""
    assert outcomes(_write_day, *((tmp_path, day) for day in DAYS)) == [0] * len(DAYS)
    assert Lake(str(tmp_path)).table(POPULARITY).days() == dict.fromkeys(DAYS, 3)


def test_threads_that_bring_a_new_column_all_succeed(any_lake: Lake) -> None:
    """Some of its first writers and some who do not know it yet, at once: it is added, and no commit is lost."""
    since = Column("since", ColumnType.INT64, "declared since")
    wider = any_lake.table(replace(POPULARITY, columns=(*POPULARITY.columns, since)))
    write(any_lake, "before", DAY)

    def replace_day(number: int) -> None:
        found = rows(DAYS[number])
        if number % 2:
            wider.replace(found.append_column("since", pa.array([number] * 3)), any_lake.begin(WORK, DAYS[number]))
        else:
            write(any_lake, DAYS[number], DAYS[number])

    with ThreadPoolExecutor(len(DAYS)) as pool:
        list(pool.map(replace_day, range(len(DAYS))))
    assert wider.days() == dict.fromkeys([DAY, *DAYS], 3)
    assert set(wider.read(columns=["since"])["since"].to_pylist()) == {None, 1, 3, 5, 7}
    assert [field.name for field in as_delta(any_lake).schema().fields].count("since") == 1


def test_of_attempts_at_one_day_the_newest_wins(any_lake: Lake) -> None:
    """However they overlap, the day ends with the rows of the newest attempt; an older one withdraws or was first."""
    table = any_lake.table(POPULARITY)
    attempts = [any_lake.begin(WORK, DAY) for _ in range(6)]

    def replace(attempt: Attempt) -> bool:
        try:
            table.replace(rows(f"attempt{attempt.token}"), attempt)
        except StaleAttempt:
            return False
        return True

    with ThreadPoolExecutor(len(attempts)) as pool:
        won = list(pool.map(replace, reversed(attempts)))
    newest = attempts[-1].token
    assert won[0], "the newest attempt must never lose"
    assert tags(table) == [f"attempt{newest}"] * 3
    committed = [int(commit["token"]) for commit in reversed(table.history()) if "token" in commit]
    assert committed == sorted(committed)
    assert committed[-1] == newest


def test_attempts_of_one_day_in_processes_never_mix(tmp_path: Path) -> None:
    """Four processes try one day at once: those that lose say so, and the day holds the rows of one attempt."""
    ended = outcomes(_try_day, *((tmp_path, f"writer{number}") for number in range(4)))
    assert set(ended) <= {0, LOST}
    assert 0 in ended
    table = Lake(str(tmp_path)).table(POPULARITY)
    assert len(Counter(tags(table))) == 1
    assert len(tags(table)) == 3


def test_attempts_that_begin_together_get_different_numbers(any_lake: Lake) -> None:
    """The number is what fences them, so no two attempts share one."""
    with ThreadPoolExecutor(8) as pool:
        tokens = list(pool.map(lambda _: any_lake.begin(WORK, DAY).token, range(24)))
    assert sorted(tokens) == list(range(1, 25))


def test_a_reader_beside_a_writer_sees_whole_days(any_lake: Lake) -> None:
    """Whatever moment a reader comes, it sees the rows of one commit."""
    table = any_lake.table(POPULARITY)
    write(any_lake, "0", number=5)
    with ThreadPoolExecutor(1) as pool:
        writing = pool.submit(lambda: [write(any_lake, str(number), number=5) for number in range(1, 8)])
        seen = [tags(table) for _ in range(20)]
        writing.result()
    assert all(len(found) == 5 and len(set(found)) == 1 for found in seen)


def _write_day(folder: Path, day: str) -> None:
    write(Lake(str(folder)), day, day)


def _try_day(folder: Path, tag: str) -> None:
    try:
        write(Lake(str(folder)), tag)
    except StaleAttempt:
        raise SystemExit(LOST) from None
