"""Lines are valid JSON that says what the columns said."""

from __future__ import annotations

import json
import math

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daybreak.datasets import EVENTS
from daybreak.importing.json_lines import json_lines

TEXT = st.text(st.characters(exclude_categories=["Cs"]))


def lines(**columns: list[str | None]) -> list[dict]:
    arrays = {name: pa.array(values, pa.string()) for name, values in columns.items()}
    return [json.loads(line) for line in json_lines(EVENTS, arrays).to_pylist()]


@settings(deadline=None, max_examples=100)
@given(st.lists(st.tuples(st.none() | TEXT, st.none() | TEXT), min_size=1, max_size=10))
def test_any_text_comes_back(rows):
    """Quotes, backslashes, control characters, emoji: JSON reads what was written, and nulls are left out."""
    users, items = [row[0] for row in rows], [row[1] for row in rows]
    back = lines(event_id=["e"] * len(rows), user_id=users, item_id=items)
    assert [(row.get("user_id"), row.get("item_id")) for row in back] == rows


@settings(deadline=None, max_examples=100)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=10))
def test_any_number_comes_back(numbers):
    """Numbers are numbers in JSON, to the last bit."""
    assert [row["price"] for row in lines(price=[repr(number) for number in numbers])] == numbers


@pytest.mark.parametrize(
    ("text", "value"), [("4", 4), ("4.50", 4.5), ("+5", 5), (" 7 ", 7), (".5", 0.5), ("007", 7), ("1e3", 1000)]
)
def test_numbers_that_json_writes_otherwise_are_still_numbers(text, value):
    """What a person would call a number becomes one, alone or beside others."""
    back = [row["rating"] for row in lines(rating=[text, "3", None, text]) if "rating" in row]
    assert back == [value, 3, value]


@pytest.mark.parametrize("text", ["cheap", "1,5", "NaN", "inf", "1e999x", "", "--1", "0x10"])
def test_what_is_no_number_goes_on_as_it_stood(text):
    """Landing refuses it and shows the row whole; the import neither drops nor changes it."""
    assert [row["price"] for row in lines(price=["1", text])] == [1, text]


def test_whole_floats_in_a_column_of_integers_are_integers():
    """Tools that hold nulls in floats write 3.0 for position 3."""
    back = lines(position=["3.0", "-1", "2.5", "x"])
    assert [row["position"] for row in back] == [3, -1, 2.5, "x"]
    assert isinstance(back[0]["position"], int)
    assert math.isclose(back[2]["position"], 2.5)


def test_an_id_of_its_own_is_the_hash_of_the_whole_line():
    """Without an event id, equal rows get equal ids, and rows that differ anywhere get others."""
    ids = [row["event_id"] for row in lines(user_id=["a", "a", "b", None], item_id=["x", "x", "x", "x"])]
    assert ids[0] == ids[1]
    assert len(set(ids)) == 3
