"""The exact search against a plain one: all scores in float64, rounded to float32 and sorted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from daybreak.errors import InputError
from indexing import block_search, exact
from indexing.arrays import NOWHERE
from indexing.exact import Exact

ELSEWHERE = "cpu:0"
"""The processor, addressed as a device of torch: what runs on others runs there."""


@dataclass(frozen=True)
class World:
    """A question: queries, vectors, how many rows, and which not."""

    queries: np.ndarray
    vectors: np.ndarray
    k: int
    hidden: np.ndarray | None = None
    own: np.ndarray | None = None

    def search(self, **how: Any) -> tuple[np.ndarray, np.ndarray]:
        return Exact(self.vectors).top_k(self.queries, self.k, hidden=self.hidden, own=self.own, **how)


def plain(world: World) -> tuple[np.ndarray, np.ndarray]:
    wide = [each.astype(np.float64) for each in (world.queries, world.vectors)]
    scores = np.vecdot(wide[0][:, None], wide[1][None]).astype(np.float32)
    if world.hidden is not None:
        scores[:, world.hidden] = -np.inf
    if world.own is not None:
        told = np.flatnonzero(world.own >= 0)
        scores[told, world.own[told]] = -np.inf
    rows = np.argsort(-scores, axis=1, kind="stable")[:, : world.k]
    best = np.take_along_axis(scores, rows, 1)
    rows[np.isneginf(best)] = NOWHERE
    missing = ((0, 0), (0, world.k - rows.shape[1]))
    return np.pad(rows, missing, constant_values=NOWHERE), np.pad(best, missing, constant_values=-np.inf)


def agree(found: tuple[np.ndarray, np.ndarray], expected: tuple[np.ndarray, np.ndarray]) -> None:
    np.testing.assert_array_equal(found[0], expected[0])
    np.testing.assert_array_equal(found[1], expected[1])
    assert found[0].dtype == np.int64
    assert found[1].dtype == np.float32


def drawn(chance: np.random.Generator, count: int, dimensions: int, looks: str) -> np.ndarray:
    normal = chance.normal(size=(count, dimensions))
    lengths = chance.lognormal(0, 3, (count, 1))
    made = {
        "normal": normal,
        "few values": chance.integers(-1, 2, normal.shape),
        "copies": normal[chance.integers(0, max(count // 4, 1), count)],
        "nothing": np.zeros_like(normal),
        "one side": np.abs(normal),
        "other side": -np.abs(normal),
        "skewed": normal * lengths,
        "crowded": 1 + 1e-4 * normal,
        "crowded still": 1 + 1e-7 * normal,
        "huge": normal * 1e17,
        "tiny": normal * 1e-21,
        "tiniest": normal * 1e-42,
        "huge and tiny": normal * 10.0 ** chance.integers(-30, 17, (count, 1)),
        "far out": np.where(np.arange(count)[:, None] == count // 2, 1e6, 1) * normal,
    }
    return made[looks].astype(np.float32)


LOOKS = ["normal", "few values", "copies", "nothing", "one side", "other side", "skewed", "crowded", "crowded still"]
LOOKS += ["huge", "tiny", "tiniest", "huge and tiny", "far out"]


@st.composite
def worlds(draw: st.DrawFn) -> World:
    chance = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows, asked = draw(st.integers(1, 300)), draw(st.integers(1, 24))
    dimensions = draw(st.integers(1, 20))
    queries, vectors = (drawn(chance, count, dimensions, draw(st.sampled_from(LOOKS))) for count in (asked, rows))
    hidden = chance.integers(0, rows, draw(st.integers(0, rows))) if draw(st.booleans()) else None
    own = chance.integers(-1, rows, asked) if draw(st.booleans()) else None
    return World(queries, vectors, draw(st.one_of(st.integers(1, 12), st.integers(1, 400))), hidden, own)


BUDGETS = st.sampled_from([1 << 11, 1 << 13, 1 << 16, 256 << 20])


@pytest.fixture(autouse=True)
def as_if_many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few queries go the way of many, but where a test says otherwise."""
    monkeypatch.setattr(exact, "FEW", 0)


@pytest.fixture
def as_few(as_if_many: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exact, "FEW", 1_000)


@pytest.fixture
def without_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_search, "bfloat16_is_quick", lambda: False)


@pytest.fixture
def with_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(block_search, "bfloat16_is_quick", lambda: True)


@pytest.mark.usefixtures("with_tiles")
@settings(max_examples=250, deadline=None)
@given(worlds(), BUDGETS)
def test_brief_numbers_find_what_a_plain_search_finds(world: World, memory: int) -> None:
    """Rows and scores are those of sorting everything, bit for bit, in whatever blocks bfloat16 goes through them."""
    agree(world.search(memory_bytes=memory), plain(world))


@pytest.mark.usefixtures("without_tiles")
@settings(max_examples=150, deadline=None)
@given(worlds(), BUDGETS)
def test_full_numbers_find_what_a_plain_search_finds(world: World, memory: int) -> None:
    """A processor that is slow at bfloat16 finds the same, by float32."""
    agree(world.search(memory_bytes=memory), plain(world))


@pytest.mark.usefixtures("as_few")
@settings(max_examples=150, deadline=None)
@given(worlds())
def test_few_queries_find_what_a_plain_search_finds(world: World) -> None:
    """Those for whom nothing is prepared are given the same, bit for bit."""
    agree(world.search(), plain(world))


@settings(max_examples=150, deadline=None)
@given(worlds(), BUDGETS)
def test_a_device_finds_what_a_plain_search_finds(world: World, memory: int) -> None:
    """A device finds the same, and what its list is too short for is found here."""
    agree(world.search(memory_bytes=memory, device=ELSEWHERE), plain(world))


@settings(max_examples=60, deadline=None)
@given(worlds(), st.integers(1, 5))
def test_lists_of_shards_make_the_whole_list(world: World, shards: int) -> None:
    """Shards searched apart and merged by score and row are the whole searched at once, bit for bit."""
    vectors, k = world.vectors, world.k
    rows, scores = [], []
    for some in np.array_split(np.arange(len(vectors)), shards):
        part = Exact(vectors[some]).top_k(world.queries, k)
        rows.append(np.where(part[0] == NOWHERE, len(vectors), np.append(some, 0)[part[0]]))
        scores.append(part[1])
    all_rows, all_scores = np.hstack(rows), np.hstack(scores)
    order = np.lexsort((all_rows, -all_scores), axis=1)[:, :k]
    merged = np.take_along_axis(all_rows, order, 1)
    whole = Exact(vectors).top_k(world.queries, k)
    agree((np.where(merged == len(vectors), NOWHERE, merged), np.take_along_axis(all_scores, order, 1)), whole)


@pytest.fixture(scope="module")
def town() -> World:
    chance = np.random.default_rng(7)
    vectors = drawn(chance, 5_000, 24, "normal") * chance.lognormal(0, 0.7, (5_000, 1)).astype(np.float32)
    queries = drawn(chance, 300, 24, "normal")
    queries[::50] = 0
    return World(queries, vectors, 50, chance.integers(0, 5_000, 400), chance.integers(-1, 5_000, 300))


@pytest.mark.parametrize("memory", [1 << 18, 1 << 21, 256 << 20])
@pytest.mark.parametrize("device", ["cpu", ELSEWHERE])
@pytest.mark.parametrize("quick", [True, False])
def test_a_town_is_searched_exactly(
    town: World, memory: int, device: str, quick: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Among thousands of vectors of skewed lengths, with queries that say nothing, every path finds the same."""
    monkeypatch.setattr(block_search, "bfloat16_is_quick", lambda: quick)
    agree(town.search(memory_bytes=memory, device=device), plain(town))


@pytest.mark.usefixtures("with_tiles")
@pytest.mark.parametrize("closeness", [1e-3, 1e-6, 0])
def test_crowds_that_brief_numbers_cannot_tell_apart_are_told_apart(closeness: float) -> None:
    """Thousands of rows within the margin of bfloat16, of float32, or of nothing at all are ranked exactly."""
    chance = np.random.default_rng(3)
    around = np.where(np.arange(4_000) % 2, 1, -1)[:, None] * np.ones(8)
    vectors = (around + closeness * chance.normal(size=(4_000, 8))).astype(np.float32)
    world = World(np.abs(drawn(chance, 20, 8, "normal")), vectors, 5)
    agree(world.search(), plain(world))


def test_several_threads_find_the_same_and_leave_torch_its_threads(town: World) -> None:
    """Blocks searched at once by several threads give the same lists, and torch may use as many threads as before."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        agree(town.search(memory_bytes=1 << 20), plain(town))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_without_rows_or_queries_there_is_nothing() -> None:
    """Where all rows are hidden, or there are none, lists are empty; without queries there are no lists."""
    queries = np.ones((2, 3), np.float32)
    for vectors, hidden in ((np.ones((4, 3), np.float32), np.arange(4)), (np.ones((0, 3), np.float32), None)):
        for device in ("cpu", ELSEWHERE):
            rows, scores = Exact(vectors).top_k(queries, 2, hidden=hidden, device=device)
            assert (rows == NOWHERE).all()
            assert np.isneginf(scores).all()
    assert Exact(queries).top_k(queries[:0], 2)[0].shape == (0, 2)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("side", [0, 1])
def test_what_is_no_number_is_refused(value: float, side: int) -> None:
    """NaN or infinity on either side is refused by the side's name, since no order holds it."""
    sides = [np.ones((3, 4), np.float32), np.ones((5, 4), np.float32)]
    sides[side][2, 1] = value
    with pytest.raises(InputError, match=("queries", "vectors")[side]):
        Exact(sides[1]).top_k(sides[0], 2)


def test_what_does_not_fit_is_refused() -> None:
    """Unequal dimensions, lists of no rows, rows that are not there and products beyond float32 are refused."""
    ones = np.ones((3, 4), np.float32)
    with pytest.raises(InputError, match="equally many dimensions"):
        Exact(np.ones((3, 5), np.float32)).top_k(ones, 2)
    with pytest.raises(InputError, match="equally many dimensions"):
        Exact(ones).top_k(ones[0], 2)
    with pytest.raises(InputError, match="ask for 1 or more"):
        Exact(ones).top_k(ones, 0)
    for rows in ([3], [-1]):
        with pytest.raises(InputError, match="give rows from 0 on"):
            Exact(ones).top_k(ones, 2, hidden=np.array(rows))
    for own in ([0, 1], [0, 1, 3], [0, 1, -2]):
        with pytest.raises(InputError, match="give rows from 0 on"):
            Exact(ones).top_k(ones, 2, own=np.array(own))
    with pytest.raises(InputError, match="scale them down"):
        Exact(ones * np.float32(1e10)).top_k(ones * np.float32(1e30), 2)
