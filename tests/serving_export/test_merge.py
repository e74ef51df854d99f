"""Merging what sources found gives the lists that reciprocal-rank fusion, read plainly, gives."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving_export.merge import RANK_OFFSET, Merged, merge
from serving_export.sources.found import NOTHING, Found
from tests.serving_export.blocks import ITEM, ITEMS, QUERY, fractions, numbers

SHARE = st.sampled_from([0.1, 0.4, 1.0])


@st.composite
def proposals(draw: st.DrawFn) -> tuple[Found, np.ndarray]:
    """A source's lists, no candidate twice for a query, and what each proposal weighs."""
    lists = draw(st.dictionaries(QUERY, st.lists(ITEM, min_size=1, max_size=5, unique=True)))
    weighs = {query: draw(SHARE) for query in lists}
    rows = [(query, candidate) for query in sorted(lists) for candidate in lists[query]]
    found = Found(numbers(q for q, _ in rows), numbers(c for _, c in rows), fractions(range(len(rows), 0, -1)))
    return found, fractions(weighs[query] for query, _ in rows)


def rows_of(merged: Merged) -> list[tuple]:
    arrays = (merged.queries, merged.candidates, merged.scores, merged.source, merged.sources)
    return list(zip(*(array.tolist() for array in arrays), strict=True))


def shares_of(found: Found, weights: np.ndarray, number: int) -> list[tuple[tuple[int, int], tuple[float, int]]]:
    """What each proposal adds to its candidate: its share, and by which source."""
    arrays = (found.queries, found.candidates, found.ranks, weights)
    return [
        ((query, candidate), (weight / (RANK_OFFSET + rank), number))
        for query, candidate, rank, weight in zip(*(array.tolist() for array in arrays), strict=True)
    ]


@given(
    sources=st.lists(st.tuples(proposals(), st.integers(0, 4)), min_size=1, max_size=4),
    length=st.integers(1, 6),
)
def test_fusion_adds_what_each_source_says_and_tells_who_said_it(sources, length):
    """A score is the sum of weight / (60 + rank), the strongest source is named, all sources are a bit each, and the
    best of each query are kept. A source that stands in for another may come twice."""
    found, weights = [found for (found, _), _ in sources], [weights for (_, weights), _ in sources]
    numbered = [number for _, number in sources]
    merged = merge(found, weights, numbered, ITEMS, length)
    said: dict[tuple[int, int], list[tuple[float, int]]] = {}
    for each, weight, number in zip(found, weights, numbered, strict=True):
        for key, share in shares_of(each, weight, number):
            said.setdefault(key, []).append(share)
    strongest = {key: sorted(mine, key=lambda share: (-share[0], share[1])) for key, mine in said.items()}
    scores = {key: mine[0][0] + sum(share for share, _ in mine[1:]) for key, mine in said.items()}
    expected = []
    for query in sorted({query for query, _ in said}):
        mine = sorted((c for q, c in said if q == query), key=lambda c: (-scores[query, c], c))
        for candidate in mine[:length]:
            key = (query, candidate)
            bits = sum(1 << source for source in {source for _, source in said[key]})
            expected.append((*key, scores[key], strongest[key][0][1], bits))
    assert rows_of(merged) == expected


@given(sources=st.lists(proposals(), min_size=1, max_size=3), length=st.integers(1, 6), cut=QUERY)
def test_a_block_of_any_size_merges_the_same(sources, length, cut):
    """Queries merged in two blocks have the lists that they have in one."""
    parts = []
    for inside in (lambda queries: queries < cut, lambda queries: queries >= cut):
        kept = [np.flatnonzero(inside(found.queries)) for found, _ in sources]
        found = [each.rows(rows) for (each, _), rows in zip(sources, kept, strict=True)]
        weights = [weight[rows] for (_, weight), rows in zip(sources, kept, strict=True)]
        parts += rows_of(merge(found, weights, range(len(sources)), ITEMS, length))
    whole = merge(
        [found for found, _ in sources], [weight for _, weight in sources], range(len(sources)), ITEMS, length
    )
    assert rows_of(whole) == parts


def one(query: int, *candidates: int) -> Found:
    """One query's list of one source."""
    count = len(candidates)
    return Found(np.full(count, query), numbers(candidates), np.arange(count, 0, -1.0))


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_ties_go_to_the_source_named_first_and_the_smaller_candidate(order):
    """Whatever order the sources are asked in: two that say the same of different candidates leave no choice open."""
    found, weights = [one(0, 5, 3), one(0, 3, 5)], [np.ones(2), np.ones(2)]
    merged = merge([found[n] for n in order], [weights[n] for n in order], order, ITEMS, 9)
    assert merged.candidates.tolist() == [3, 5]
    assert merged.scores[0] == merged.scores[1]
    assert merged.source.tolist() == [1, 0]
    same = merge([found[0], found[0]], weights, order, ITEMS, 9)
    assert same.source.tolist() == [0, 0]


def test_nothing_found_merges_to_nothing():
    """No proposals, or no candidates at all, make empty lists and no error."""
    none = np.zeros(0)
    for candidates in (ITEMS, 0):
        assert rows_of(merge([NOTHING, NOTHING], [none, none], [0, 1], candidates, 5)) == []
