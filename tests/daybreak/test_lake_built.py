"""A table remembers what each of its days was built from, takes rows batch by batch, and keeps lists as they are."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daybreak.contracts import DS, Column, ColumnType, Dataset
from daybreak.lake import Lake, Table
from daybreak.lake.digest import rows_digest
from daybreak.lake.schemas import full_schema
from tests.tiny import day

KEY = Column("key", ColumnType.STRING, "a key")
SOURCE = Dataset("tests/source", "What is built from.", (KEY,), ("key",))
BUILT = Dataset("tests/built", "What is built.", (KEY,), ("key",))
LISTS = Dataset(
    "tests/lists",
    "Lists of both kinds.",
    (
        KEY,
        Column("words", ColumnType.STRINGS, "words", nullable=True),
        Column("vector", ColumnType.VECTOR, "numbers", nullable=True),
    ),
    ("key",),
)
DAYS = [day(number) for number in range(3)]
Row = dict[str, Any]


def write(table: Table, lake: Lake, ds: str, rows: list[Row], source: Table | None = None) -> None:
    shaped = pa.Table.from_pylist([{**row, DS: ds} for row in rows], schema=full_schema(table.dataset))
    built_from = (source, source.version()) if source else None
    table.replace(shaped, lake.begin(table.dataset.short_name, ds), built_from=built_from)


def test_a_day_is_unbuilt_until_it_is_built_and_again_when_its_source_changed(any_lake: Lake) -> None:
    """Days that the source never had are not asked for; an empty day of the source is."""
    source, built = any_lake.table(SOURCE), any_lake.table(BUILT)
    assert built.unbuilt(source, DAYS) == []
    write(source, any_lake, DAYS[0], [{"key": "a"}])
    write(source, any_lake, DAYS[1], [])
    assert built.unbuilt(source, DAYS) == DAYS[:2]
    for ds in DAYS[:2]:
        write(built, any_lake, ds, [{"key": "a"}], source)
    assert built.unbuilt(source, DAYS) == []
    write(source, any_lake, DAYS[0], [{"key": "b"}])
    assert built.unbuilt(source, DAYS) == DAYS[:1]
    write(built, any_lake, DAYS[0], [{"key": "b"}])
    assert built.unbuilt(source, DAYS) == DAYS[:1], "nobody said what this was built from"
    write(built, any_lake, DAYS[0], [{"key": "b"}], source)
    assert built.unbuilt(source, DAYS) == []


def test_what_was_built_from_a_version_is_unbuilt_where_a_newer_one_came_meanwhile(lake: Lake) -> None:
    """The source changed between reading and writing: what was read is what counts."""
    source, built = lake.table(SOURCE), lake.table(BUILT)
    write(source, lake, DAYS[0], [{"key": "a"}])
    read = source.version()
    write(source, lake, DAYS[0], [{"key": "b"}])
    rows = pa.table({"key": ["a"], DS: [DAYS[0]]}, schema=full_schema(BUILT))
    built.replace(rows, lake.begin("built", DAYS[0]), built_from=(source, read))
    assert built.unbuilt(source, DAYS) == [DAYS[0]]


words = st.none() | st.lists(st.text(max_size=3), max_size=3)
vectors = st.none() | st.lists(st.floats(width=32), max_size=3)
list_rows = st.lists(st.tuples(words, vectors, st.sampled_from(DAYS)), max_size=12)


@settings(max_examples=25)
@given(list_rows, st.integers(1, 5))
def test_rows_that_come_in_batches_are_the_rows_that_come_at_once(
    tmp_path_factory: pytest.TempPathFactory, told: list[tuple[Any, Any, str]], size: int
) -> None:
    """Lists, empty lists and nulls, of several days mixed: equal digests by either way, and after reading back."""
    rows = [{"key": f"k{place}", "words": one, "vector": other, DS: ds} for place, (one, other, ds) in enumerate(told)]
    whole = pa.Table.from_pylist(rows, schema=full_schema(LISTS))
    tables = []
    for given_rows in (whole, pa.RecordBatchReader.from_batches(whole.schema, whole.to_batches(max_chunksize=size))):
        lake = Lake(str(tmp_path_factory.mktemp("lake")), scratch=tmp_path_factory.mktemp("scratch"))
        tables.append(lake.table(LISTS))
        tables[-1].replace(given_rows, lake.begin("lists", DAYS[-1]), days=DAYS)
    for ds in DAYS:
        assert tables[0].digest(ds) == tables[1].digest(ds)
    assert rows_digest(tables[1].read()) == rows_digest(whole)


def test_batches_that_break_off_leave_the_day_as_it_was(lake: Lake) -> None:
    """Whoever makes the batches fails half-way: no row of them is there, and nothing is left behind."""
    table = lake.table(LISTS)
    write(table, lake, DAYS[0], [{"key": "old"}])
    schema = full_schema(LISTS)

    def batches() -> Iterator[pa.RecordBatch]:
        yield pa.RecordBatch.from_pylist([{"key": "new", DS: DAYS[0]}], schema=schema)
        raise OSError("gone")

    before = table.digest(DAYS[0])
    with pytest.raises(OSError, match="gone"):
        table.replace(pa.RecordBatchReader.from_batches(schema, batches()), lake.begin("lists", DAYS[0]))
    assert table.digest(DAYS[0]) == before
    assert list(table._staged.glob("*")) == []
