"""The items that look alike are those that a plain sort of all cosines finds, of the image vectors that items bring."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as checked
from hypothesis import strategies as st

from daybreak.candidates import LOOKS
from daybreak.datasets import ITEMS, QUARANTINE
from daybreak.lake import Lake, Window
from daybreak.lake.schemas import data_schema
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from indexing.looks import pictured
from tests.lake import put
from tests.tiny import Row, day, deliver, event

STEP = step_named("indexing.looks")
NIGHT = 5


def words(*numbers: float) -> str:
    return " ".join(repr(float(number)) for number in numbers)


def put_items(lake: Lake, night: int, vectors: Mapping[str, str | None], **changes: Any) -> None:
    told = {"updated_ts": f"{day(night)}T00:00:00Z", "title": "", "status": "active", **changes}
    put(lake, ITEMS, day(night), [{"item_id": name, "image_vector": each, **told} for name, each in vectors.items()])


def run(settings: Settings, **overrides: Any) -> Row:
    return run_steps([STEP], day(NIGHT), settings, overrides=overrides)[0].summary


def found(lake: Lake) -> dict[str, dict[str, float]]:
    """The neighbours of each item, and their cosines."""
    lists: dict[str, dict[str, float]] = {}
    for row in lake.table(LOOKS).read(Window(day(NIGHT), day(NIGHT))).to_pylist():
        lists.setdefault(row["item_id"], {})[row["neighbour_id"]] = row["score"]
    return lists


def test_items_are_beside_those_that_look_alike(settings: Settings, lake: Lake) -> None:
    """Whatever the length of a vector and however its numbers are written; never below the cosine asked for."""
    put_items(lake, 1, {"a": "[1, 0]", "b": "+5e-1 8.660254e-1", "c": "-30,0.0", "plain": None})
    summary = run(settings, least=0.1)
    assert found(lake) == {"a": {"b": 0.5}, "b": {"a": 0.5}}
    assert summary == {"space": "2 numbers", "items": 3, "pairs": 2, "without_vector": 1, "of_other_spaces": 0}


def test_the_newest_state_of_items_that_may_be_shown_counts(settings: Settings, lake: Lake) -> None:
    put_items(lake, 1, {"a": "1 0", "b": "0 1", "gone": "1 0", "bare": "1 0"})
    put_items(lake, 2, {"b": "1 0", "bare": None})
    put_items(lake, 3, {"gone": "1 0"}, status="deactivated")
    put_items(lake, NIGHT + 1, {"a": "0 1"})
    summary = run(settings)
    assert found(lake) == {"a": {"b": 1.0}, "b": {"a": 1.0}}
    assert (summary["items"], summary["without_vector"]) == (2, 1)


def test_only_vectors_of_the_length_that_most_items_have_are_compared(settings: Settings, lake: Lake) -> None:
    """Those of another model are left out and counted; of as many the shorter one counts."""
    put_items(lake, 1, {"a": "1 0 0", "b": "1 0 0", "c": "1 0", "d": "1 0", "e": "1 0"})
    assert run(settings)["of_other_spaces"] == 2
    assert found(lake).keys() == set("cde")
    put_items(lake, 2, {"e": None})
    assert run(settings)["space"] == "2 numbers"


@pytest.mark.parametrize("vectors", [{}, {"a": None, "b": None}, {"a": "0 0", "b": "1e999 1"}])
def test_without_image_vectors_the_table_is_empty(
    settings: Settings, lake: Lake, vectors: Mapping[str, str | None]
) -> None:
    """Also where they point nowhere; it is written all the same, and the summary says why."""
    put_items(lake, 1, vectors)
    summary = run(settings)
    assert (summary["space"], summary["pairs"]) == ("no item that may be shown has a vector", 0)
    assert lake.table(LOOKS).was_written(day(NIGHT))
    assert not found(lake)


@given(st.lists(st.one_of(st.none(), st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=4)), max_size=12))
@checked(max_examples=100)
def test_vectors_are_the_numbers_that_were_written(told: list[list[float] | None]) -> None:
    """Each of length 1, by id, of the length that most have; every item is counted once."""
    rows = [{"item_id": f"i{n:02}", "image_vector": each and words(*each)} for n, each in enumerate(told)]
    made = pictured(
        pa.Table.from_pylist(rows[::-1], pa.schema([("item_id", pa.string()), ("image_vector", pa.string())]))
    )
    lengths = [len(each) for each in told if each is not None]
    most = min(set(lengths), key=lambda length: (-lengths.count(length), length), default=0)
    kept = {f"i{n:02}": np.array(each) for n, each in enumerate(told) if each and len(each) == most and any(each)}
    kept = {name: each for name, each in kept.items() if np.linalg.norm(each) > 0}
    assert made.ids.to_pylist() == list(kept)
    for vector, each in zip(made.vectors, kept.values(), strict=True):
        np.testing.assert_allclose(vector, each / np.linalg.norm(each), rtol=1e-5, atol=1e-6)
    assert made.of_other_spaces == len([length for length in lengths if length != most])
    assert len(made.ids) + made.of_other_spaces + made.without_vector == len(told)


@pytest.mark.usefixtures("spark")
def test_what_is_no_vector_is_refused_when_it_is_landed(settings: Settings, lake: Lake) -> None:
    """And one of 2,048 numbers is landed whole, also as a list."""
    long = words(*np.random.default_rng(1).normal(size=2_048).astype(np.float32).tolist())
    good = {"long": long, "list": f"[{long.replace(' ', ', ')}]"}
    bad = {"null": "[1, null]", "double": "1  2", "word": "1 nan", "dot": ".", "empty": "[]"}
    state = {"updated_ts": f"{day(0)}T00:00:00Z", "title": "x", "status": "active"}
    rows = [{"item_id": name, **state, "image_vector": each} for name, each in {**good, **bad}.items()]
    rows.append({"item_id": "array", **state, "image_vector": [1.0, 2.5]})
    deliver(settings.landing, "items", day(0), rows)
    deliver(settings.landing, "events", day(0), [event("e", day(0), "u", "long")])
    run_steps([step_named("jobs.ingest")], day(0), settings, overrides={"max_bad_share": 1.0})
    landed = lake.table(ITEMS).read().to_pylist()
    assert {row["item_id"]: row["image_vector"] for row in landed} == good
    refused = lake.table(QUARANTINE).read().to_pylist()
    assert sorted(row["rules"] for row in refused) == ["image_vector.pattern"] * len(bad) + ["image_vector.type"]
    assert data_schema(ITEMS).field("image_vector").type == pa.string()
