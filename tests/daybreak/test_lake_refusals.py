"""Rows that do not fit the contract of a table are refused, with the column named, and leave nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest

from daybreak.candidates import POPULARITY
from daybreak.contracts import Column, ColumnType
from daybreak.errors import LakeError
from daybreak.lake import Lake
from tests.daybreak.rows import DAY, WORK, rows, tags, write

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

TEXT_SCORE = pa.array(["high", "higher", "highest"])
BAD = {
    "lacks score": (lambda good: good.drop_columns(["score"]), r"candidates/popularity: rows to write lack score"),
    "text for a number": (
        lambda good: good.set_column(1, "score", TEXT_SCORE),
        r"candidates/popularity\.score must be double, got string",
    ),
    "number for a text": (
        lambda good: good.set_column(0, "item_id", pa.array([1, 2, 3])),
        r"candidates/popularity\.item_id must be string, got (int64|bigint)",
    ),
    "null in a key": (
        lambda good: good.set_column(0, "item_id", pa.array(["a", None, "c"])),
        r"candidates/popularity\.item_id must not be null, but 1 rows have no value",
    ),
    "another day": (
        lambda good: good.append_column("ds", pa.array(["2026-11-20", "2026-11-21", "2026-11-20"])),
        r"candidates/popularity: rows of 2026-11-21 cannot be written by a commit that replaces 2026-11-20",
    ),
}


def as_arrow(table: pa.Table, request: pytest.FixtureRequest) -> pa.Table:
    return table


def as_spark(table: pa.Table, request: pytest.FixtureRequest) -> DataFrame:
    spark: SparkSession = request.getfixturevalue("spark")
    return spark.createDataFrame(table)


@pytest.mark.parametrize("form", [as_arrow, as_spark])
@pytest.mark.parametrize("name", BAD)
def test_wrong_rows_are_refused_with_the_column_named(
    lake: Lake,
    name: str,
    form: Callable[[pa.Table, pytest.FixtureRequest], pa.Table | DataFrame],
    request: pytest.FixtureRequest,
) -> None:
    """Missing columns, other types, nulls and foreign days: one sentence, and the day stays as it was."""
    spoil, sentence = BAD[name]
    write(lake, "good")
    table = lake.table(POPULARITY)
    version = table.version()
    with pytest.raises(LakeError, match=sentence):
        table.replace(form(spoil(rows("bad")), request), lake.begin(WORK, DAY))
    assert table.version() == version
    assert tags(table) == ["good"] * 3
    assert not list((Path(lake.url) / POPULARITY.name / "_staged").iterdir())


def test_a_row_without_its_day_is_refused(lake: Lake) -> None:
    """A null day is not a day that nobody reads: the row would be lost."""
    spoiled = rows("bad").append_column("ds", pa.array([DAY, None, DAY]))
    with pytest.raises(LakeError, match=r"candidates/popularity\.ds must not be null"):
        lake.table(POPULARITY).replace(spoiled, lake.begin(WORK, DAY))


def test_a_number_too_large_is_refused(lake: Lake) -> None:
    """A value that the declared type cannot hold is refused, not cut."""
    spoiled = rows("bad", 1).set_column(2, "events", pa.array([2.5]))
    with pytest.raises(LakeError, match=r"candidates/popularity\.events must be int64, got double"):
        lake.table(POPULARITY).replace(spoiled, lake.begin(WORK, DAY))


def test_columns_beyond_the_contract_are_left_out(lake: Lake) -> None:
    """A table holds what its contract declares, in its order."""
    more = rows("good").append_column("scratch", pa.array([1, 2, 3])).select(["scratch", "events", "score", "item_id"])
    table = lake.table(POPULARITY)
    table.replace(more, lake.begin(WORK, DAY))
    assert table.read().column_names == [*POPULARITY.column_names, "ds"]


def test_a_column_declared_with_another_type_than_its_table_holds_is_refused(lake: Lake) -> None:
    """Readers take a column to be of one type in all files; the day stays as it was."""
    write(lake, "good")
    score = Column("score", ColumnType.STRING, "in words since")
    changed = replace(POPULARITY, columns=tuple(score if each.name == "score" else each for each in POPULARITY.columns))
    with pytest.raises(
        LakeError, match=r"popularity\.score is declared as string, but its table holds double; declare"
    ):
        lake.table(changed).replace(rows("bad").set_column(1, "score", TEXT_SCORE), lake.begin(WORK, DAY))
    assert tags(lake.table(POPULARITY)) == ["good"] * 3
