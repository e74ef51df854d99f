"""What is answered for whom: own lists, those of segments and of everyone, and no more of them than a shelf shows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daybreak.errors import InputError
from daybreak.releases import ReleaseStore
from serving_export.reader.layout import LISTS_FILE
from serving_export.reader.recommendations import recommend
from serving_export.reader.snapshot import Snapshot
from serving_export.snapshot import Entry, ListOf, write_lists

LENGTH, STORED = 3, 5
SERVED = {
    "for_you": {"length": LENGTH, "without_own": False, "of_items": True},
    "similar_items": {"length": LENGTH, "without_own": True, "of_items": True},
    "people": {"length": LENGTH, "without_own": True, "of_items": False},
}
SEGMENTS = {"young-1": "young", "young-2": "young", "old-1": "old", "i1": "young", "strange": "nobody has it"}


def entries(*ids: str) -> list[Entry]:
    return [Entry(each, 1 / (place + 1), "popular", "popular") for place, each in enumerate(ids)]


LISTS = [
    ListOf("for_you", "query", "young-1", entries("i1", "i2", "i3", "i4", "i5")),
    ListOf("for_you", "query", "emptied", []),
    ListOf("for_you", "segment", "young", entries("i5", "i4", "i3", "i2", "i1")),
    ListOf("for_you", "segment", "old", []),
    ListOf("for_you", "everyone", "", entries("i3", "i1", "i2", "i4", "i5")),
    ListOf("similar_items", "everyone", "", entries("i1", "i2", "i3", "i4", "i5")),
    ListOf("people", "query", "young-1", entries("old-1", "i1")),
    ListOf("people", "everyone", "", entries("young-1", "young-2", "old-1", "i1", "strange")),
]


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Lists longer than their shelves, of which some are of segments and some of people."""
    store = ReleaseStore(tmp_path_factory.mktemp("releases"))
    items = [(f"i{number}", {"title": f"Title {number}"}) for number in range(1, 6)]
    with store.build(ds="2026-11-20", model="m", surfaces=tuple(SERVED), built_from={}) as draft:
        written = write_lists(draft.path / LISTS_FILE, LISTS, items, SERVED, SEGMENTS.items())
        draft.add(LISTS_FILE, rows=written)
    return Snapshot(store.open(draft.release_id))


def answer(snapshot: Snapshot, surface: str, query: str, k: int = 20) -> tuple[str, list[str]]:
    """Whose list it is, and what is on it."""
    document = recommend(snapshot, surface, query, k, 0.0)
    assert document["fallback"] is (document["source"] != "list")
    return document["source"], [item["id"] for item in document["items"]]


@pytest.mark.parametrize("k", [1, 2, 3, 4, 20, 100])
@pytest.mark.parametrize("query", ["young-1", "young-2", "nobody"])
def test_what_waits_behind_a_list_is_never_shown_by_itself(snapshot: Snapshot, query: str, k: int) -> None:
    """However many are asked for, a shelf shows no more than its length: own list, segment's and everyone's alike."""
    assert len(snapshot.entries("for_you", "young-1") or []) == STORED
    assert len(answer(snapshot, "for_you", query, k)[1]) == min(k, LENGTH)


@pytest.mark.parametrize(
    ("query", "whose", "first"),
    [
        ("young-1", "list", "i1"),
        ("young-2", "segment", "i5"),
        ("old-1", "everyone", "i3"),
        ("strange", "everyone", "i3"),
        ("nobody", "everyone", "i3"),
        ("emptied", "everyone", "i3"),
    ],
)
def test_who_has_no_list_gets_that_of_the_segment_before_that_of_everyone(
    snapshot: Snapshot, query: str, whose: str, first: str
) -> None:
    """The own list first, then the segment's where it is known and has any entry, then everyone's."""
    source, shown = answer(snapshot, "for_you", query)
    assert (source, shown[0]) == (whose, first)


@pytest.mark.parametrize("own", ["i1", "i2", "i3"])
def test_what_is_left_out_of_a_fallback_makes_room_for_what_waits_behind(snapshot: Snapshot, own: str) -> None:
    """Beside an item, and for a user among people, the shelf is as full as ever."""
    _, shown = answer(snapshot, "similar_items", own)
    assert own not in shown
    assert len(shown) == LENGTH
    assert answer(snapshot, "people", "young-2") == ("everyone", ["young-1", "old-1", "i1"])


def test_of_people_no_item_is_told_even_where_an_id_is_an_items(snapshot: Snapshot) -> None:
    """A user called like an item has no title; the same id among items has."""
    people = recommend(snapshot, "people", "young-1", 20, 0.0)["items"]
    assert [item["id"] for item in people] == ["old-1", "i1"]
    assert {name for item in people for name in item} == {"id", "score", "source", "reason"}
    assert recommend(snapshot, "for_you", "young-1", 1, 0.0)["items"][0]["title"] == "Title 1"


def test_an_item_called_like_a_user_is_not_taken_for_one(snapshot: Snapshot) -> None:
    """Segments are of users: a shelf beside items has no lists of segments, and falls back on everyone's."""
    assert answer(snapshot, "similar_items", "i1") == ("everyone", ["i2", "i3", "i4"])


def test_what_was_drawn_is_told_with_reason_and_chance(tmp_path: Path) -> None:
    """An entry says why it is there; the chance stands only beside what was drawn, even where it is small."""
    store = ReleaseStore(tmp_path)
    drawn = [Entry("i1", 0.5, "gnn", "wanted by people of your taste"), Entry("i2", 0.4, "popular", "popular", 1 / 3)]
    tiny = Entry("i3", 0.3, "popular", "popular", 1.25e-7)
    with store.build(ds="2026-11-20", model="m", surfaces=("for_you",), built_from={}) as draft:
        lists = [ListOf("for_you", "query", "u1", [*drawn, tiny])]
        draft.add(LISTS_FILE, rows=write_lists(draft.path / LISTS_FILE, lists, [], SERVED))
    snapshot = Snapshot(store.open(draft.release_id))
    shown: list[dict[str, Any]] = recommend(snapshot, "for_you", "u1", 3, 0.0)["items"]
    assert shown[0] == {"id": "i1", "score": 0.5, "source": "gnn", "reason": "wanted by people of your taste"}
    assert (shown[1]["reason"], shown[1]["chance"]) == ("popular", 0.3333)
    assert shown[2]["chance"] == 1.25e-7


def test_a_surface_that_the_release_does_not_have_is_told(snapshot: Snapshot) -> None:
    """With those there are, in one sentence."""
    with pytest.raises(InputError, match="no surface is called 'nothing'; there are: for_you, similar_items, people"):
        answer(snapshot, "nothing", "u1")


def test_the_queries_of_a_surface_are_those_that_have_a_list_of_their_own(snapshot: Snapshot) -> None:
    """Not segments, not everyone, and not those of a surface whose name begins alike."""
    assert list(snapshot.queries("for_you")) == ["emptied", "young-1"]
    assert list(snapshot.queries("people")) == ["young-1"]
    assert list(snapshot.queries("similar_items")) == []
    assert list(snapshot.queries("for")) == []
