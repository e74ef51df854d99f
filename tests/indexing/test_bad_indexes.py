"""Nights that must not go live: each gate stops the one that it is for, and what was live goes on answering."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daybreak.errors import GateError
from daybreak.releases import Draft
from daybreak.settings import Settings
from indexing import assembling
from indexing import publish as publishing
from indexing.opened import OpenIndex
from indexing.spaces import Space
from indexing.specification import Effort, Specification
from indexing.writing import write_night
from tests.indexing.vectors import (
    FEW,
    Vectors,
    best,
    builds,
    compared,
    gates,
    home_in,
    index_night,
    live,
    publish,
    put_night,
    shards,
    states,
    store_of,
    world,
)
from tests.training.homes import copy_of

FIRST, SECOND = 1, 2
Patch = pytest.MonkeyPatch


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home whose first night is live. Who changes it changes a copy."""
    settings = home_in(tmp_path_factory.mktemp("standing"), index="exact")
    index_night(settings, FIRST, world(FIRST))
    return settings


@pytest.fixture
def home(standing: Settings, tmp_path: Path) -> Settings:
    return copy_of(standing, tmp_path)


def assert_stopped(settings: Settings, space: str, gate: str, vectors: Vectors, **overrides: Any) -> str:
    """The second night is refused by this gate in one sentence, its release is kept for a person to look at, and the
    first night's goes on answering. The sentence."""
    before = live(settings)
    answer = before.ask(Space.FOR_USERS, "u0001", 20)
    with pytest.raises(GateError) as caught:
        index_night(settings, SECOND, vectors, **overrides)
    told = str(caught.value)
    assert f"{space} {gate} is " in told
    assert told.endswith("What was live stays live")
    assert "\n" not in told
    row = gates(settings, SECOND)[space, gate]
    assert not row["passed"]
    refused = store_of(settings).open(row["release"])
    assert [check.passed for check in refused.checks or [] if check.name == f"{space}.{gate}"] == [False]
    assert not builds(settings, SECOND)
    assert live(settings).name == before.name != refused.id
    assert live(settings).ask(Space.FOR_USERS, "u0001", 20) == answer
    return told


def shuffled(vectors: Vectors) -> Vectors:
    """Every item with the vector of another one."""
    order = np.random.default_rng(3).permutation(len(vectors.item_ids))
    return replace(vectors, items=vectors.items[order])


def by_chance(vectors: Vectors) -> Vectors:
    return replace(vectors, items=np.random.default_rng(4).normal(size=vectors.items.shape).astype(np.float32))


def on_a_line(table: np.ndarray) -> np.ndarray:
    """All vectors along one direction, but for a trace of what they were."""
    along = np.random.default_rng(6).normal(size=(len(table), 1))
    return np.c_[along * table[:1, :-1] + 1e-4 * table[:, :-1], table[:, -1]].astype(np.float32)


def at_a_point(table: np.ndarray) -> np.ndarray:
    """All vectors the same, but for a trace of what they were."""
    return np.c_[table[:1, :-1] + 1e-4 * table[:, :-1], table[:, -1]].astype(np.float32)


def one_long(table: np.ndarray) -> np.ndarray:
    return np.r_[table[:1] * np.float32(1_000), table[1:]]


def one_wanted(table: np.ndarray) -> np.ndarray:
    """One entry that everybody would be given first."""
    return np.c_[table[:, :-1], np.r_[np.float32(1e6), table[1:, -1]]]


BAD: dict[str, tuple[str, Callable[[Vectors], Vectors], dict[str, Any]]] = {
    "both drift: ids shuffled": ("drift", shuffled, {}),
    "both drift: vectors by chance": ("drift", by_chance, {}),
    "for_items neighbours_kept: ids shuffled": ("neighbours_kept", shuffled, {}),
    "for_items neighbours_kept: by chance": ("neighbours_kept", by_chance, {}),
    "both of_champion": ("of_champion", lambda told: replace(told, champion="c3" * 32), {}),
    "both items_rank: on a line": ("items_rank", lambda told: replace(told, items=on_a_line(told.items)), {}),
    "both items_rank: at a point": ("items_rank", lambda told: replace(told, items=at_a_point(told.items)), {}),
    "both users_rank: on a line": ("users_rank", lambda told: replace(told, users=on_a_line(told.users)), {}),
    "both users_rank: at a point": ("users_rank", lambda told: replace(told, users=at_a_point(told.users)), {}),
    "both items_longest": ("items_longest", lambda told: replace(told, items=one_long(told.items)), {}),
    "both users_longest": ("users_longest", lambda told: replace(told, users=one_long(told.users)), {}),
    "both items_longest: a bias": ("items_longest", lambda told: replace(told, items=one_wanted(told.items)), {}),
    "both users_stayed: all others": (
        "users_stayed",
        lambda told: replace(told, user_ids=tuple(f"v{name}" for name in told.user_ids)),
        {},
    ),
    "both size_change: half are gone": ("size_change", lambda told: told.only(slice(0, 150)), {}),
    "both bytes_by_yesterday: many links": (
        "bytes_by_yesterday",
        lambda told: told,
        {"index": "hnsw:links=128,breadth=20"},
    ),
    "both too_slow_under_load": ("too_slow_under_load", lambda told: told, {"limits": {**FEW, "slowest_ms": 1e-6}}),
}


@pytest.mark.parametrize("night", BAD)
def test_a_gate_stops_the_night_that_it_is_for(home: Settings, night: str) -> None:
    """Whatever else speaks against the night, the gate that is meant does."""
    gate, change, overrides = BAD[night]
    told = dict(overrides)
    settings = home.elsewhere(home.home, index=told.pop("index", "exact"))
    assert_stopped(settings, night.split()[0], gate, change(world(SECOND)), **told)


def test_a_night_of_other_items_is_stopped(home: Settings) -> None:
    """As many of them, none that yesterday knew: there is nothing to compare, which is the very reason to stop."""
    others = replace(by_chance(world(SECOND)), item_ids=tuple(f"j{name}" for name in world(SECOND).item_ids))
    states(home, SECOND, *others.item_ids)
    assert_stopped(home, "both", "items_stayed", others)


def test_good_nights_pass_every_gate(home: Settings) -> None:
    """Some items more, some fewer, all vectors a little elsewhere: the second night goes live, and so does the third,
    by a newly trained model whose space has turned as a whole."""
    second = index_night(home, SECOND, world(SECOND).only(slice(0, 290)))
    turned = np.linalg.qr(np.random.default_rng(8).normal(size=(16, 16)))[0]
    third = world(3)
    items, users = (np.c_[each[:, :-1] @ turned, each[:, -1]] for each in (third.items, third.users))
    told = index_night(home, 3, replace(third, version=2, items=items.astype("f4"), users=users.astype("f4")))
    assert (second["published"], told["published"]) == (True, True)
    for night in (SECOND, 3):
        assert all(row["passed"] for row in gates(home, night).values())
    assert ("for_items", "recall_new") in gates(home, 3)


def test_a_night_that_is_made_anew_is_compared_as_well(home: Settings) -> None:
    """A second run of the night that is live is held against the night before: wrong vectors do not pass for being
    the second that the night made."""
    index_night(home, SECOND, world(SECOND))
    good = live(home).name
    with pytest.raises(GateError, match="both drift is "):
        index_night(home, SECOND, shuffled(world(SECOND)))
    assert live(home).name == good


def canaries_of(*finds: str, asked: str = "i0001") -> dict[str, Any]:
    return {"canaries": [{"space": "for_items", "id": asked, "finds": finds}]}


def nearness(asked: str) -> list[str]:
    """All other items of the second night, the nearest first."""
    ids, items = world(SECOND).listed
    plain, row = compared(Space.FOR_ITEMS, items), ids.index(asked)
    return [ids[each] for each, _ in best(plain[[row]], plain, len(ids), own=[row])[0]]


def test_a_canary_that_is_not_found_stops_the_night(home: Settings) -> None:
    """The sentence names the canary and what it misses; canaries that are found let the night pass."""
    near, far = nearness("i0001")[0], nearness("i0001")[-1]
    told = assert_stopped(home, "both", "canaries_missed", world(SECOND), **canaries_of(near, far))
    assert f"for_items i0001 misses {far}" in told
    assert near not in told
    assert publish(home, SECOND, **canaries_of(*nearness("i0001")[:20]))["published"]


def test_a_canary_about_an_item_that_is_gone_stops_the_night_by_its_gate(home: Settings) -> None:
    """Its question cannot be asked, which the gate says like any other missing answer."""
    assert_stopped(home, "both", "canaries_missed", world(SECOND), **canaries_of("i0002", asked="i0007"))


@pytest.fixture(scope="module")
def halved(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home of two categories that are about as common, whose first night lacks a third of the items."""
    settings = home_in(tmp_path_factory.mktemp("halved"), index="exact", shares=(0.5, 0.5))
    index_night(settings, FIRST, world(FIRST).only(slice(0, 240)))
    return settings


def test_an_index_that_finds_too_little_is_stopped(halved: Settings, tmp_path: Path, monkeypatch: Patch) -> None:
    """An effort that is far too low fails every gate of recall, in both spaces: overall, of what is wanted least, of
    what is new, and where one category is shown alone."""
    settings = copy_of(halved, tmp_path, index="ivf_flat:cells=64")

    def least(specification: Specification, *others: Any) -> tuple[Effort, float]:
        return Effort(), 1.0

    monkeypatch.setattr(assembling, "tuned", least)
    told = assert_stopped(settings, "for_users", "recall", world(SECOND))
    for space in Space:
        for kind in ("", "_tail", "_new", "_in_rarest_category", "_in_largest_category"):
            assert f"{space} recall{kind} is 0" in told
            assert gates(settings, SECOND)[space, f"recall{kind}"]["value"] < 0.5
    monkeypatch.undo()
    shards(settings, SECOND)
    assert publish(settings, SECOND)["published"]


def written_wrongly(
    monkeypatch: Patch, wrong: Callable[[np.ndarray], np.ndarray], *, says_it: bool, whose: str = "items"
) -> None:
    """From now on the vectors of an entity are written other than they are. Without `says_it`, no known answers are."""

    def write(draft: Draft, index: OpenIndex, anns: Any) -> None:
        contents = index.contents if says_it else replace(index.contents, known=())
        told = {"users": index.users, "items": index.items}
        told[whose] = replace(told[whose], vectors=wrong(np.array(told[whose].vectors)))
        write_night(draft, OpenIndex(index.name, contents, told["users"], told["items"], index._anns), anns)

    monkeypatch.setattr(publishing, "write_night", write)


@pytest.mark.parametrize("index", ["exact", "ivf_flat:cells=8"])
def test_a_release_whose_vectors_stand_at_other_ids_is_stopped(home: Settings, monkeypatch: Patch, index: str) -> None:
    """Each vector one row further than its id: the release does not hold what the table tells."""
    written_wrongly(monkeypatch, lambda vectors: np.roll(vectors, 1, axis=0), says_it=False)
    settings = home.elsewhere(home.home, index=index)
    assert " (item i0" in assert_stopped(settings, "both", "id_round_trip", world(SECOND))


@pytest.mark.parametrize("says_it", [True, False])
def test_a_release_whose_users_have_each_others_vectors_is_stopped(
    home: Settings, monkeypatch: Patch, says_it: bool
) -> None:
    """By what the table tells of them; where answers for users are written down it does not even open."""
    written_wrongly(monkeypatch, lambda vectors: np.roll(vectors, 1, axis=0), says_it=says_it, whose="users")
    gate = "opens" if says_it else "id_round_trip"
    told = assert_stopped(home, "both", gate, world(SECOND))
    assert says_it or "(user u0" in told


def test_a_release_that_lost_vectors_is_stopped(home: Settings, monkeypatch: Patch) -> None:
    """Every second item with the vector of the one before: asked by its own direction, it is not found."""
    written_wrongly(monkeypatch, lambda vectors: np.repeat(vectors[::2], 2, axis=0)[: len(vectors)], says_it=False)
    assert_stopped(home, "for_items", "finds_itself", world(SECOND))


def test_a_release_that_answers_other_than_when_it_was_built_is_stopped(home: Settings, monkeypatch: Patch) -> None:
    """It does not even open, and the gate that says so says why."""
    written_wrongly(monkeypatch, lambda vectors: np.roll(vectors, 1, axis=0), says_it=True)
    assert "do not belong together" in assert_stopped(home, "both", "opens", world(SECOND))


def test_an_index_that_answers_otherwise_under_load_is_stopped(home: Settings, monkeypatch: Patch) -> None:
    """Searches beside each other that find what they do not find alone."""
    alone = OpenIndex.search

    def search(self: OpenIndex, space: Space, queries: np.ndarray, k: int, **options: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            queries = -queries
        return alone(self, space, queries, k, **options)

    monkeypatch.setattr(OpenIndex, "search", search)
    assert_stopped(home, "both", "same_under_load", world(SECOND))


def test_a_stopped_night_goes_live_once_it_is_mended(home: Settings) -> None:
    """The same commands over good vectors publish the night, and its gates tell of the good release."""
    assert_stopped(home, "both", "drift", by_chance(world(SECOND)))
    put_night(home, SECOND, world(SECOND))
    shards(home, SECOND)
    assert publish(home, SECOND)["published"]
    assert {row["release"] for row in gates(home, SECOND).values()} == {live(home).name}
