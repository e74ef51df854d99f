"""Spark, Arrow and DuckDB on the same tables: what one writes the others read, to the digest."""

from __future__ import annotations

import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import obstore
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import QueryBuilder

from daybreak.candidates import POPULARITY
from daybreak.contracts import Column, ColumnType
from daybreak.datasets import EVENTS
from daybreak.lake import Lake, Window
from daybreak.lake.digest import rows_digest
from daybreak.lake.schemas import full_schema
from tests.daybreak.rows import DAY, WORK, as_delta, rows, write

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

EARLIER, LATE = "2026-11-18", "2026-11-19"


def events() -> pa.Table:
    """Events with every kind of value: nulls, empty and long texts, extreme numbers, microseconds, two days."""
    moment = datetime(2026, 11, 20, 23, 59, 59, 999_999, tzinfo=UTC)
    common = {"event_ts": moment, "user_id": "u1", "item_id": "i1", "event_type": "view", "landed_ds": DAY}
    found = [
        {**common, "event_id": "plain", "ds": DAY, "position": 0, "price": 0.0, "session_id": ""},
        {**common, "event_id": "nulls", "ds": DAY},
        {**common, "event_id": "Ünï→😀", "ds": DAY, "user_id": "x" * 10_000, "price": 1e308, "position": 2**31 - 1},
        {**common, "event_id": "tiny", "ds": DAY, "price": math.ulp(0.0), "rating": 0.1, "dwell_s": 1 / 3},
        {**common, "event_id": "late", "ds": LATE, "event_ts": datetime(1970, 1, 1, tzinfo=UTC)},
    ]
    return pa.Table.from_pylist(found, schema=full_schema(EVENTS))


@pytest.mark.slow
def test_spark_and_arrow_write_and_read_the_same_rows(any_lake: Lake, spark: SparkSession) -> None:
    """Each engine reads what the other wrote, and the digests of all four ways are equal."""
    from daybreak.lake.spark_tables import read_spark, spark_schema

    table = any_lake.table(EVENTS)
    table.replace(events(), any_lake.begin("ingest", DAY))
    by_arrow = {day: table.digest(day) for day in (LATE, DAY)}
    frame = read_spark(spark, table, Window(), None)
    assert [field.name for field in frame.schema] == spark_schema(EVENTS).names
    assert rows_digest(frame.toArrow().cast(full_schema(EVENTS))) == rows_digest(table.read())
    table.replace(frame, any_lake.begin("ingest", DAY))
    assert {day: table.digest(day) for day in (LATE, DAY)} == by_arrow
    assert {commit["version"] for commit in table.history()} == {0, 1, 2}
    assert rows_digest(read_spark(spark, table, Window(since=LATE, until=LATE), None).toArrow()) == by_arrow[LATE]


def test_spark_reads_versions_windows_and_empty_tables(lake: Lake, spark: SparkSession) -> None:
    """A Spark frame is of one version and window, and of none where there are no files."""
    from daybreak.lake.spark_tables import read_spark

    table = lake.table(POPULARITY)
    assert read_spark(spark, table, Window(), None).count() == 0
    first = table.replace(rows("first"), lake.begin(WORK, LATE)).version
    table.replace(rows("second", 2), lake.begin(WORK, DAY))
    assert read_spark(spark, table, Window(), None).count() == 5
    assert read_spark(spark, table, Window(), first).count() == 3
    assert {row.ds for row in read_spark(spark, table, Window(since=DAY), None).collect()} == {DAY}


def test_an_empty_spark_frame_makes_an_empty_day(lake: Lake, spark: SparkSession) -> None:
    """A job that found nothing writes the day, and no file."""
    table = lake.table(POPULARITY)
    table.replace(rows("old"), lake.begin(WORK, DAY))
    table.replace(spark.createDataFrame(rows("none")).where("false"), lake.begin(WORK, DAY))
    assert (table.days(), table.files(), table.was_written(DAY)) == ({}, [], True)


def test_duckdb_reads_the_data_files_as_they_lie(lake: Lake) -> None:
    """The files are plain Parquet below hive folders: another engine needs nothing of ours to read them."""
    table = lake.table(EVENTS)
    table.replace(events(), lake.begin("ingest", DAY))
    _, paths = table.local_paths(table.files())
    with duckdb.connect() as engine:
        engine.execute("SET TimeZone = 'UTC'")
        found = engine.sql(
            "SELECT * FROM read_parquet(?, hive_partitioning = true, hive_types_autocast = false)", params=[paths]
        ).to_arrow_table()
    shaped = pa.table([found[field.name].cast(field.type) for field in full_schema(EVENTS)], schema=full_schema(EVENTS))
    assert rows_digest(shaped) == rows_digest(table.read())


def test_several_may_copy_a_file_from_the_store_at_once(s3_lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """One copies it whole while another is half way; both find it whole, and nothing else is left."""
    write(s3_lake, "shared", DAY, 5)
    table = s3_lake.table(POPULARITY)
    real = obstore.get

    class HalfWay:
        def __init__(self, *arguments: Any) -> None:
            self._content = bytes(real(*arguments).bytes())

        def stream(self) -> Iterator[bytes]:
            yield self._content[:100]
            monkeypatch.setattr(obstore, "get", real)
            with ThreadPoolExecutor(1) as another:
                another.submit(table.local_paths, table.files()).result()
            yield self._content[100:]

    files = table.files()
    monkeypatch.setattr(obstore, "get", HalfWay)
    _, [path] = table.local_paths(files)
    assert pq.read_table(path).num_rows == 5
    assert [each.name for each in Path(path).parent.iterdir()] == [Path(path).name]


def test_delta_readers_find_a_column_declared_since(any_lake: Lake) -> None:
    """With nulls in the rows of before. It stays though a writer who does not know it yet commits after."""
    since = Column("since", ColumnType.STRINGS, "declared since")
    wider = any_lake.table(replace(POPULARITY, columns=(*POPULARITY.columns, since)))
    write(any_lake, "before", EARLIER, 1)
    wider.replace(rows("first", 1).append_column("since", pa.array([["x"]])), any_lake.begin(WORK, LATE))
    write(any_lake, "unknowing", DAY, 1)
    native = as_delta(any_lake)
    assert [field.name for field in native.schema().fields] == [*POPULARITY.column_names, "ds", "since"]
    found = QueryBuilder().register("popularity", native).execute("SELECT ds, since FROM popularity ORDER BY ds")
    assert pa.table(found.read_all()).to_pydict() == {"ds": [EARLIER, LATE, DAY], "since": [None, ["x"], None]}


def test_delta_readers_are_told_that_a_column_may_be_null_now(lake: Lake) -> None:
    """Where its declaration says so since."""
    score = replace(POPULARITY.column("score"), nullable=True)
    milder = replace(POPULARITY, columns=tuple(score if each.name == "score" else each for each in POPULARITY.columns))
    write(lake, "before", LATE, 1)
    lake.table(milder).replace(rows("none", 1).set_column(1, "score", pa.nulls(1)), lake.begin(WORK, DAY))
    fields = {field.name: field for field in as_delta(lake).schema().fields}
    assert (fields["score"].nullable, fields["events"].nullable) == (True, False)
