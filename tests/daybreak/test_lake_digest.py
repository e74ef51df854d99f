"""The digest of rows: blind to order and files, and to nothing else. The oracle is the sorted multiset of rows."""

from __future__ import annotations

import itertools
from collections import Counter
from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
from hypothesis import assume, given
from hypothesis import strategies as st

from daybreak.candidates import POPULARITY
from daybreak.lake import Lake, Window
from daybreak.lake.digest import rows_digest
from tests.daybreak.rows import DAY, WORK, rows

SCHEMA = pa.schema(
    [
        ("text", pa.string()),
        ("number", pa.int64()),
        ("small", pa.int32()),
        ("share", pa.float64()),
        ("flag", pa.bool_()),
        ("day", pa.date32()),
        ("moment", pa.timestamp("us", tz="UTC")),
    ]
)
MOMENTS = st.integers(-(2**40), 2**52).map(lambda moment: datetime.fromtimestamp(moment / 2**20, UTC))
CELLS: dict[str, st.SearchStrategy[Any]] = {
    "text": st.one_of(st.none(), st.text(max_size=5)),
    "number": st.one_of(st.none(), st.integers(-(2**63), 2**63 - 1)),
    "small": st.one_of(st.none(), st.integers(-3, 3)),
    "share": st.one_of(st.none(), st.floats(allow_nan=False)),
    "flag": st.one_of(st.none(), st.booleans()),
    "day": st.one_of(st.none(), st.dates(date(1970, 1, 1), date(2100, 1, 1))),
    "moment": st.one_of(st.none(), MOMENTS),
}
ROW = st.fixed_dictionaries(CELLS)
ROWS = st.lists(ROW, max_size=12)
Row = dict[str, Any]


def digest(found: list[Row]) -> str:
    return rows_digest(pa.Table.from_pylist(found, schema=SCHEMA))


def oracle(found: list[Row]) -> Counter[tuple[Any, ...]]:
    return Counter(tuple(row[name] for name in SCHEMA.names) for row in found)


@given(ROWS, st.data())
def test_the_order_of_rows_does_not_matter(found: list[Row], data: st.DataObject) -> None:
    """Any permutation has the same digest."""
    assert digest(data.draw(st.permutations(found))) == digest(found)


@given(ROWS, st.lists(st.integers(0, 12), max_size=4))
def test_the_way_rows_are_cut_into_files_does_not_matter(found: list[Row], cuts: list[int]) -> None:
    """One file or many, with columns in any order: the same digest."""
    whole = pa.Table.from_pylist(found, schema=SCHEMA)
    bounds = [0, *sorted(min(cut, len(found)) for cut in cuts), len(found)]
    parts = [whole.slice(begin, end - begin) for begin, end in itertools.pairwise(bounds)]
    assert rows_digest(pa.concat_tables(parts)) == rows_digest(whole)
    assert rows_digest(whole.select(SCHEMA.names[::-1])) == rows_digest(whole)


@given(ROWS, ROWS)
def test_two_tables_have_one_digest_exactly_when_they_hold_the_same_rows(one: list[Row], other: list[Row]) -> None:
    """The digest agrees with the multiset of rows."""
    assert (digest(one) == digest(other)) == (oracle(one) == oracle(other))


@given(st.lists(ROW, min_size=1, max_size=8), st.data())
def test_any_changed_cell_shows(found: list[Row], data: st.DataObject) -> None:
    """One other value in one cell is another digest; null, zero and empty are three different things."""
    place, name = data.draw(st.integers(0, len(found) - 1)), data.draw(st.sampled_from(SCHEMA.names))
    value = data.draw(CELLS[name])
    changed = [{**row, name: value} if number == place else row for number, row in enumerate(found)]
    assume(oracle(changed) != oracle(found))
    assert digest(changed) != digest(found)


@given(st.lists(ROW, min_size=1, max_size=8), st.data())
def test_a_lost_and_a_doubled_row_show(found: list[Row], data: st.DataObject) -> None:
    """Dropping a row, doubling it, or doubling it twice: four different digests."""
    row = data.draw(st.sampled_from(found))
    without = list(found)
    without.remove(row)
    assert len({digest(each) for each in (without, found, [*found, row], [*found, row, row])}) == 4


@given(st.lists(ROW, min_size=2, max_size=8), st.sampled_from(SCHEMA.names))
def test_two_rows_that_swap_a_value_show(found: list[Row], name: str) -> None:
    """The same values in each column, but in other rows, are other rows."""
    first, second, *rest = found
    swapped = [{**first, name: second[name]}, {**second, name: first[name]}, *rest]
    assert (digest(swapped) == digest(found)) == (oracle(swapped) == oracle(found))


def test_no_single_number_stands_for_null() -> None:
    """Also the bit patterns a hash might use inside for null are told from null."""
    from daybreak.lake import digest as inside

    for seed in inside.SEEDS:
        word = int(inside._value_words(pa.chunked_array([[None]], pa.int64()), seed)[0])
        number = word - 2**64 if word >= 2**63 else word
        one, other = (pa.table({"number": pa.array([value], pa.int64())}) for value in (None, number))
        assert rows_digest(one) != rows_digest(other)


def test_the_digest_is_the_same_on_every_machine_and_in_every_release() -> None:
    """A digest is written down and compared much later: it may never change for the same rows."""
    known = {
        "text": "Grüße",
        "number": -7,
        "small": None,
        "share": 0.1,
        "flag": True,
        "day": date(2026, 11, 20),
        "moment": datetime(2026, 11, 20, 12, tzinfo=UTC),
    }
    assert (
        digest([known, {**known, "number": 8}]) == "2-21c26c059d78ffa6ddbc4bfa6078ff40-311e7b7cbe62cb842c9d747c3c5a8472"
    )


def test_a_day_has_the_digest_of_its_rows(lake: Lake) -> None:
    """A table's digest of a day looks at that day alone, whatever files hold it."""
    table = lake.table(POPULARITY)
    table.replace(rows("a", 10), lake.begin(WORK, DAY))
    alone = table.digest(DAY)
    table.replace(rows("b"), lake.begin(WORK, "2026-11-21"))
    reversed_rows = rows("a", 10).take(list(range(9, -1, -1)))
    table.replace(reversed_rows, lake.begin(WORK, DAY))
    assert table.digest(DAY) == alone == rows_digest(table.read(Window(since=DAY, until=DAY)))
