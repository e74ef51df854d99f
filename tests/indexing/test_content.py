"""The items that are described alike are those that a plain sort of all cosines finds, of the vectors that the night
knows, one space, and the items that may be shown."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as checked
from hypothesis import strategies as st

from daybreak.candidates import CONTENT
from daybreak.datasets import ITEMS
from daybreak.errors import ModelError
from daybreak.features.described import ITEM_TEXT
from daybreak.lake import Lake, Window
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from indexing.likeness import OneSpace, alike
from tests.lake import put
from tests.tiny import Row, day

STEP = step_named("indexing.content")
NIGHT = 5
SPACE = "words/2"
Vector = tuple[float, ...] | None


def at(degrees: float) -> tuple[float, float]:
    """A vector of length 1 that looks this way."""
    return float(np.cos(np.radians(degrees))), float(np.sin(np.radians(degrees)))


def put_items(lake: Lake, night: int, *names: str, **changes: Any) -> None:
    """States of items, active unless they are changed."""
    told = {"updated_ts": f"{day(night)}T00:00:00Z", "title": "", "status": "active", **changes}
    put(lake, ITEMS, day(night), [{"item_id": name, **told} for name in names])


def put_vectors(
    lake: Lake, night: int, vectors: Mapping[str, Vector], *, began: int | None = None, space: str | None = SPACE
) -> None:
    """What a night tells of the texts of items, whose states began that night or another."""
    put(lake, ITEM_TEXT.dataset, day(night), rows_of(night, vectors, began, space))


def rows_of(night: int, vectors: Mapping[str, Vector], began: int | None, space: str | None) -> list[Row]:
    stamps = {
        "event_ts": f"{day(night if began is None else began)}T00:00:00+00:00",
        "available_ts": f"{day(night + 1)}T06:00:00+00:00",
    }
    return [
        {"item_id": name, "ds": day(night), "text_vector": vector, "text_space": space, **stamps}
        for name, vector in vectors.items()
    ]


def run(settings: Settings, night: int = NIGHT, **overrides: Any) -> Row:
    return run_steps([STEP], day(night), settings, overrides=overrides)[0].summary


def found(lake: Lake, night: int = NIGHT) -> dict[str, dict[str, float]]:
    """The neighbours of each item, and their cosines."""
    lists: dict[str, dict[str, float]] = {}
    for row in lake.table(CONTENT).read(Window(day(night), day(night))).to_pylist():
        lists.setdefault(row["item_id"], {})[row["neighbour_id"]] = row["score"]
    return lists


@st.composite
def catalogues(draw: st.DrawFn) -> np.ndarray:
    """Vectors of which many look the same way, or nearly."""
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    count, places = draw(st.integers(1, 60)), draw(st.integers(1, 6))
    vectors = chance.normal(size=(draw(st.integers(1, count)), places))
    vectors = vectors[chance.integers(0, len(vectors), count)] + draw(st.sampled_from([0, 1e-9, 1e-3, 1]))
    return (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)


@given(catalogues(), st.integers(1, 70), st.sampled_from([-1.0, 0.0, 0.1, 0.9]), st.integers(1, 70))
@checked(max_examples=150)
def test_neighbours_are_those_that_a_plain_sort_finds(vectors, neighbours, least, block):
    """For any vectors, blocks and lengths: all pairs scored, sorted by cosine and then by id, and cut off."""
    names = [f"i{number:03d}" for number in range(len(vectors))]
    described = OneSpace(SPACE, pa.array(names), vectors, 0, 0)
    made = pa.Table.from_batches(alike(described, neighbours, least, block), None if len(vectors) else pa.schema([]))
    expected = []
    for row, name in enumerate(names):
        cosines = np.vecdot(vectors.astype(np.float64), vectors[row].astype(np.float64)).astype(np.float32)
        others = sorted((other for other in range(len(names)) if other != row), key=lambda place: -cosines[place])
        scored = [(name, names[other], round(float(cosines[other]), 6)) for other in others[:neighbours]]
        expected += [line for line in scored if line[2] >= least]
    assert list(zip(*made.to_pydict().values(), strict=True)) == expected


def test_items_are_beside_those_that_are_described_alike(settings, lake):
    """Both ways, with the cosine, never beside themselves, and not below the cosine that is asked for."""
    put_items(lake, 1, "a", "b", "c")
    put_vectors(lake, 1, {"a": at(0), "b": at(60), "c": at(130)})
    summary = run(settings, least=0.1)
    assert found(lake) == {"a": {"b": 0.5}, "b": {"a": 0.5, "c": 0.34202}, "c": {"b": 0.34202}}
    assert summary == {"space": SPACE, "items": 3, "pairs": 4, "without_vector": 0, "of_other_spaces": 0}
    run(settings, least=0.5)
    assert found(lake) == {"a": {"b": 0.5}, "b": {"a": 0.5}}


def test_vectors_of_any_length_are_compared_by_where_they_look(settings, lake):
    """A long vector is no nearer than a short one."""
    put_items(lake, 1, "a", "b")
    put_vectors(lake, 1, {"a": (300.0, 0.0), "b": (0.001, 0.001)})
    run(settings)
    assert found(lake)["a"] == {"b": pytest.approx(0.707107)}


def test_of_equal_neighbours_the_first_ids_are_kept(settings, lake):
    """Items with one text are equally near; the cut is by id."""
    names = ["d", "a", "e", "c", "b"]
    put_items(lake, 1, *names)
    put_vectors(lake, 1, dict.fromkeys(names, at(20)))
    run(settings, neighbours=2)
    assert found(lake)["a"].keys() == {"b", "c"}
    assert found(lake)["e"].keys() == {"a", "b"}


def test_only_items_that_may_be_shown_at_the_end_of_the_day_take_part(settings, lake):
    """Neither those that are gone, nor those that nobody has declared; what is launched that day does."""
    put_items(lake, 1, "a", "b", "gone", "today")
    put_items(lake, 2, "gone", status="deactivated")
    put_items(lake, 3, "retired", retired_ts=f"{day(NIGHT)}T10:00:00Z")
    put_items(lake, 4, "later", launched_ts=f"{day(NIGHT + 1)}T00:00:00Z")
    put_items(lake, NIGHT, "today", launched_ts=f"{day(NIGHT)}T23:00:00Z")
    names = ["a", "b", "gone", "retired", "later", "today", "unknown"]
    put_vectors(lake, 1, dict.fromkeys(names, at(0)))
    assert run(settings)["items"] == 3
    assert {name: set(others) for name, others in found(lake).items()} == {
        "a": {"b", "today"},
        "b": {"a", "today"},
        "today": {"a", "b"},
    }


def test_the_newest_vector_up_to_the_night_counts(settings, lake):
    """Of the latest state, of one state as the last night wrote it, and none of a night to come."""
    put_items(lake, 1, "a", "new", "again", "late")
    put_vectors(lake, 1, {"a": at(0), "new": at(0), "again": at(0), "late": at(60)}, began=1)
    put_vectors(lake, 2, {"new": at(60), "again": at(60)}, began=2)
    put_vectors(lake, 3, {"again": at(90)}, began=2)
    put_vectors(lake, 4, {"late": at(0)}, began=0)
    put_vectors(lake, NIGHT + 1, {"a": at(180), "new": at(180), "again": at(180), "late": at(180)})
    run(settings, least=-1)
    assert found(lake)["a"] == {"new": 0.5, "again": 0.0, "late": 0.5}


def test_items_without_a_vector_have_no_neighbours(settings, lake):
    """Also where the text once said something, or where the vector looks nowhere; the summary counts them."""
    put_items(lake, 1, "a", "b", "silent", "emptied", "zero", "untold")
    put_vectors(lake, 1, {"a": at(0), "b": at(10), "silent": None, "emptied": at(0), "zero": (0.0, 0.0)})
    put_vectors(lake, 2, {"emptied": None})
    summary = run(settings, least=-1)
    assert found(lake).keys() == {"a", "b"}
    assert (summary["items"], summary["without_vector"]) == (2, 4)


@pytest.mark.parametrize("other", ["encoder/2", "encoder/3", None])
def test_only_vectors_of_the_space_that_most_items_have_are_compared(settings, lake, other):
    """Those of another are left out, whatever their dimensions and their name, and counted."""
    put_items(lake, 1, *"abcde")
    vectors = {"d": (*at(0), 0.0), "e": (*at(0), 0.0)} if other == "encoder/3" else {"d": at(0), "e": at(0)}
    put_vectors(lake, 1, vectors, space=other)
    put_vectors(lake, 2, {name: at(0) for name in "abc"})
    summary = run(settings)
    assert found(lake).keys() == set("abc")
    assert all(others.keys() <= set("abc") for others in found(lake).values())
    assert (summary["space"], summary["of_other_spaces"]) == (SPACE, 2)


def test_items_that_may_not_be_shown_do_not_choose_the_space(settings, lake):
    """Of two spaces with as many shown items the first by name counts."""
    put_items(lake, 1, *"abcd")
    put_vectors(lake, 1, {name: at(0) for name in "cdxyz"}, space="zebra/2")
    put_vectors(lake, 2, {name: at(0) for name in "ab"}, space="ant/2")
    assert run(settings)["space"] == "ant/2"
    assert found(lake).keys() == {"a", "b"}


def test_vectors_of_one_space_and_two_lengths_are_refused(settings, lake):
    """One sentence says what to run again."""
    put_items(lake, 1, "a", "b")
    put_vectors(lake, 1, {"a": at(0), "b": (1.0, 0.0, 0.0)})
    with pytest.raises(ModelError, match=r"run jobs\.item_text for that night again") as caught:
        run(settings)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("told", ["nothing", "items", "vectors", "null"])
def test_without_vectors_of_shown_items_the_table_is_empty(settings, lake, told):
    """It is written all the same, and the summary says why."""
    if told in ("items", "null"):
        put_items(lake, 1, "a", "b")
    if told in ("vectors", "null"):
        put_vectors(lake, 1, dict.fromkeys("ab", None if told == "null" else at(0)))
    summary = run(settings)
    assert (summary["space"], summary["pairs"]) == ("no item that may be shown has a vector", 0)
    assert lake.table(CONTENT).was_written(day(NIGHT))
    assert not found(lake)


def test_a_second_run_gives_the_same_bytes(settings, lake):
    """Also after later nights have told other things."""
    chance = np.random.default_rng(5)
    names = [f"i{number:03d}" for number in range(200)]
    put_items(lake, 1, *names)
    put_vectors(lake, 1, {name: tuple(chance.normal(size=8)) for name in names})
    run(settings)
    before = lake.table(CONTENT).digest(day(NIGHT))
    put_items(lake, NIGHT + 1, *names[:50], status="deactivated")
    put_vectors(lake, NIGHT + 1, {name: tuple(chance.normal(size=8)) for name in names})
    run(settings)
    assert lake.table(CONTENT).digest(day(NIGHT)) == before
    assert sum(map(len, found(lake).values())) > 1_000
