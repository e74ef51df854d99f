"""Choosing many lists at once gives each the entries that a plain greedy choice, one list after another, gives."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daybreak.surfaces import Diversity
from serving_export.rerank.selection import OWN_ROOM, Cap, Vectors, select
from serving_export.rerank.slate import Slate
from tests.serving_export.slates import Line, listed, slate_of

CANDIDATES, NONE = 16, Diversity()
CANDIDATE = st.integers(0, CANDIDATES - 1)
SCORE = st.integers(1, 8).map(lambda number: number / 4)
LINE = st.lists(st.tuples(CANDIDATE, SCORE), max_size=10, unique_by=lambda entry: entry[0])
LINES = st.dictionaries(st.integers(0, 6), LINE.filter(bool), max_size=4)
GROUPS = st.tuples(*[st.integers(-1, 2)] * CANDIDATES).map(lambda groups: np.array(groups, np.int64))
CAPS = st.lists(st.builds(Cap, GROUPS, st.integers(1, 3)), max_size=2)
LENGTH = st.integers(1, 7)
STRENGTH = st.sampled_from([0.1, 0.3, 0.5, 0.8, 1.0])
ALIKE = 1e-5
"""Vectors are of single precision: choices whose worth differs by less are as good as each other."""


@st.composite
def told(draw: st.DrawFn) -> Vectors:
    """Vectors of length 1 in few dimensions, some alike and some of nothing."""
    chance = np.random.default_rng(draw(st.integers(0, 1_000)))
    vectors = chance.normal(size=(CANDIDATES, draw(st.integers(2, 4))))
    vectors[draw(CANDIDATE)] = vectors[draw(CANDIDATE)]
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    vectors[draw(CANDIDATE)] = 0.0
    return vectors.astype(np.float32)


def ordered(line: Line) -> Line:
    """By falling score; of those alike the one that was merged first."""
    return sorted(line, key=lambda entry: -entry[1])


def fits(chosen: list[int], candidate: int, caps: list[Cap]) -> bool:
    """Whether a list may also hold the candidate."""
    for cap in caps:
        group = cap.groups[candidate]
        if group >= 0 and sum(cap.groups[other] == group for other in chosen) >= cap.most:
            return False
    return True


def greedy(line: Line, length: int, caps: list[Cap]) -> list[int]:
    """The best that fits, as long as there is room."""
    chosen: list[int] = []
    for candidate, _ in ordered(line):
        if len(chosen) < length and fits(chosen, candidate, caps):
            chosen.append(candidate)
    return chosen


def relevance(line: Line) -> dict[int, float]:
    scores = [score for _, score in line]
    span = max(scores) - min(scores)
    return {candidate: (score - min(scores)) / span if span else 0.0 for candidate, score in line}


def by_nearest(line: Line, chosen: list[int], candidate: int, strength: float, vectors: Vectors) -> float:
    """What a candidate is worth beside a list: its score, less how much it is like the entry it is most like."""
    alike = [float(vectors[candidate].astype(np.float64) @ vectors[other]) for other in chosen]
    return (1 - strength) * relevance(line)[candidate] - strength * max([0.0, *alike])


def by_volume(line: Line, chosen: list[int], candidate: int, strength: float, vectors: Vectors) -> float:
    """How much room a list takes more with the candidate: the logarithm of a ratio of determinants."""
    worth = (1 - strength) / strength * relevance(line)[candidate]
    return worth + _volume([*chosen, candidate], vectors) - _volume(chosen, vectors)


def _volume(chosen: list[int], vectors: Vectors) -> float:
    told = vectors[chosen].astype(np.float64)
    kernel = (1 - OWN_ROOM) * told @ told.T
    np.fill_diagonal(kernel, 1.0)
    return math.log(np.linalg.det(kernel)) if chosen else 0.0


WORTH = {"mmr": by_nearest, "dpp": by_volume}


@given(lines=LINES)
def test_a_slate_has_the_candidates_of_each_query_best_first(lines):
    """By falling score, ties in the order in which they were merged."""
    slate = slate_of(lines)
    everything = np.where(slate.there, np.arange(slate.rows.shape[1]), -1)
    expected = {query: [candidate for candidate, _ in ordered(line)] for query, line in sorted(lines.items())}
    assert listed(slate, everything) == expected


@given(lines=LINES, length=LENGTH, vectors=told())
@pytest.mark.parametrize("off", ["none", "no vectors", "mmr", "dpp"])
def test_without_diversity_and_caps_a_list_is_the_best_by_score(off, lines, length, vectors):
    """As long as asked for, or as there are candidates: by no method, without vectors, and at a strength of nothing."""
    diversity = Diversity(method="mmr" if off == "no vectors" else off, strength=0.0 if off != "no vectors" else 0.5)
    slate = slate_of(lines)
    chosen = select(slate, length, [], diversity, None if off == "no vectors" else vectors)
    expected = {query: [candidate for candidate, _ in ordered(line)][:length] for query, line in sorted(lines.items())}
    assert listed(slate, chosen) == expected


@given(lines=LINES, length=LENGTH, caps=CAPS)
def test_within_caps_a_list_is_the_best_that_fits(lines, length, caps):
    """Down the scores, each that its groups have room for; a candidate of no group always fits."""
    slate = slate_of(lines)
    chosen = select(slate, length, caps, NONE, None)
    assert listed(slate, chosen) == {query: greedy(line, length, caps) for query, line in sorted(lines.items())}


@given(lines=LINES, length=LENGTH, caps=CAPS, strength=STRENGTH, vectors=told())
@pytest.mark.parametrize("method", WORTH)
def test_each_entry_is_the_best_beside_those_before_it(method, lines, length, caps, strength, vectors):
    """Place for place: no candidate that fits is worth more, and a list ends early only where none fits any more."""
    slate = slate_of(lines)
    lists = listed(slate, select(slate, length, caps, Diversity(method=method, strength=strength), vectors))
    assert list(lists) == sorted(lines)
    for query, chosen in lists.items():
        line, before = lines[query], []
        for candidate in [*chosen, None]:
            open_ = [other for other, _ in line if other not in before and fits(before, other, caps)]
            if candidate is None:
                assert len(before) == length or not open_
                break
            worth = {other: WORTH[method](line, before, other, strength, vectors) for other in open_}
            assert candidate in worth
            assert worth[candidate] >= max(worth.values()) - ALIKE
            before.append(candidate)


@given(lines=LINES, length=LENGTH, caps=CAPS, strength=STRENGTH, vectors=told())
@pytest.mark.parametrize("method", ["none", "mmr", "dpp"])
def test_a_list_does_not_hang_on_what_else_is_chosen_with_it(method, lines, length, caps, strength, vectors):
    """Chosen alone or beside others, and once more: the same entries."""
    diversity = Diversity(method=method, strength=strength)
    slate = slate_of(lines)
    together = listed(slate, select(slate, length, caps, diversity, vectors))
    assert together == listed(slate, select(slate, length, caps, diversity, vectors))
    for query, line in lines.items():
        alone: Slate = slate_of({query: line})
        assert listed(alone, select(alone, length, caps, diversity, vectors)) == {query: together[query]}


@pytest.mark.parametrize("method", ["none", "mmr", "dpp"])
def test_caps_hold_and_long_lists_are_full_where_they_can_be(method):
    """Lists of 40 out of 200 for a hundred queries: none has a group too often or a candidate twice, all are full."""
    chance = np.random.default_rng(3)
    vectors = chance.normal(size=(500, 16)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    caps = [Cap(chance.integers(-1, 12, 500), 5), Cap(chance.integers(-1, 60, 500), 1)]
    lines = {
        query: [(int(c), float(chance.random())) for c in chance.choice(500, 200, replace=False)]
        for query in range(100)
    }
    slate = slate_of(lines)
    lists = listed(slate, select(slate, 40, caps, Diversity(method=method, strength=0.3), vectors))
    for chosen in lists.values():
        assert len(set(chosen)) == len(chosen) == 40
        for cap in caps:
            counts = Counter(cap.groups[chosen].tolist())
            counts.pop(-1, None)
            assert max(counts.values()) <= cap.most


@pytest.mark.parametrize("method", WORTH)
def test_more_diversity_makes_lists_less_alike(method):
    """Entries of the strongest are less like each other than those of none, over many lists."""
    chance = np.random.default_rng(4)
    vectors = chance.normal(size=(100, 4)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    lines = {
        query: [(int(c), float(chance.random())) for c in chance.choice(100, 40, replace=False)] for query in range(30)
    }
    slate = slate_of(lines)

    def alike(strength: float) -> float:
        lists = listed(slate, select(slate, 8, [], Diversity(method=method, strength=strength), vectors))
        products = [vectors[chosen] @ vectors[chosen].T for chosen in lists.values()]
        return float(np.mean([product[~np.eye(8, dtype=bool)].mean() for product in products]))

    assert alike(0.9) < alike(0.5) < alike(0.0)


@pytest.mark.parametrize("method", ["none", "mmr", "dpp"])
def test_no_candidates_make_no_entries(method):
    """Queries without any have no line, and no line is no error."""
    slate = slate_of({})
    chosen = select(slate, 5, [Cap(np.zeros(0, np.int64), 1)], Diversity(method=method), np.zeros((0, 4), np.float32))
    assert listed(slate, chosen) == {}
