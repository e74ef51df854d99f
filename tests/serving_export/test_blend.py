"""Blending arrays gives the lists that a plain reading of the rules gives."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from serving_export.blend import (
    RANK_OFFSET,
    Neighbours,
    Ranking,
    blend,
    rank_everywhere,
    rank_listed,
    rank_neighbours,
)
from serving_export.facts import NO_PAIRS, Pairs

ITEMS = 7
QUERIES = 5
KEYS = st.integers(0, QUERIES * ITEMS - 1)
BANNED = st.frozensets(KEYS, max_size=20)
QUOTA = st.integers(1, 6)


def numbers(values) -> np.ndarray:
    return np.array(list(values), dtype=np.int64)


def lists_of(ranking: Ranking) -> dict[int, list[int]]:
    """The ranking as one list per query; ranks must count from 0."""
    lists: dict[int, list[int]] = {}
    for query, candidate, rank in zip(ranking.queries, ranking.candidates, ranking.ranks, strict=True):
        lists.setdefault(int(query), []).append(int(candidate))
        assert rank == len(lists[int(query)]) - 1
    assert list(lists) == sorted(lists)
    return lists


@given(
    queries=st.frozensets(st.integers(0, QUERIES - 1), min_size=1),
    ranked=st.permutations(range(ITEMS)).flatmap(lambda order: st.integers(0, ITEMS).map(lambda n: order[:n])),
    banned=BANNED,
    quota=QUOTA,
)
def test_everyone_gets_the_same_order_less_what_is_banned(queries, ranked, banned, quota):
    """Each query has the first `quota` of the ranked items that are not banned for it."""
    mine = sorted(key for key in banned if key // ITEMS in queries)
    found = rank_everywhere(numbers(sorted(queries)), numbers(ranked), ITEMS, numbers(mine), quota)
    expected = {q: [item for item in ranked if q * ITEMS + item not in banned][:quota] for q in queries}
    assert lists_of(found) == {query: items for query, items in expected.items() if items}


@given(
    held=st.dictionaries(
        st.tuples(st.integers(0, QUERIES - 1), st.integers(0, ITEMS - 1)), st.integers(1, 4), max_size=15
    ),
    near=st.dictionaries(
        st.tuples(st.integers(0, ITEMS - 1), st.integers(0, ITEMS - 1)), st.integers(1, 4), max_size=25
    ),
    banned=BANNED,
    quota=QUOTA,
)
def test_neighbours_of_what_a_query_holds_are_summed_by_weight(held, near, banned, quota):
    """A candidate's score is the sum over held items of weight times similarity; ties go to the smaller candidate."""
    pairs, held_pairs = sorted(near), sorted(held)
    neighbours = Neighbours.of(
        numbers(i for i, _ in pairs),
        numbers(j for _, j in pairs),
        np.array([float(near[pair]) for pair in pairs]),
        ITEMS,
    )
    weighed = Pairs(
        numbers(q for q, _ in held_pairs),
        numbers(i for _, i in held_pairs),
        np.array([float(held[pair]) for pair in held_pairs]),
    )
    found = rank_neighbours(weighed, neighbours, ITEMS, numbers(sorted(banned)), quota)
    scores: dict[int, dict[int, float]] = {}
    for (query, item), weight in held.items():
        for (left, right), similarity in near.items():
            if left == item and query * ITEMS + right not in banned:
                mine = scores.setdefault(query, {})
                mine[right] = mine.get(right, 0) + weight * similarity
    expected = {q: sorted(mine, key=lambda c: (-mine[c], c))[:quota] for q, mine in scores.items()}
    assert lists_of(found) == expected


@st.composite
def rankings(draw: st.DrawFn) -> Ranking:
    """A source's lists: no candidate twice for a query."""
    lists = draw(
        st.dictionaries(
            st.integers(0, QUERIES - 1), st.lists(st.integers(0, ITEMS - 1), min_size=1, max_size=5, unique=True)
        )
    )
    rows = [(q, candidate, rank) for q in sorted(lists) for rank, candidate in enumerate(lists[q])]
    return Ranking(*(numbers(row[n] for row in rows) for n in range(3)))


@given(listed=rankings(), asked=st.frozensets(st.integers(0, QUERIES - 1)), banned=BANNED, quota=QUOTA)
def test_what_is_listed_keeps_its_order_less_what_is_banned(listed, asked, banned, quota):
    """Of those who are asked for, the first `quota` of their own list that are not banned for them."""
    found = rank_listed(numbers(sorted(asked)), listed, ITEMS, numbers(sorted(banned)), quota)
    expected: dict[int, list[int]] = {}
    for query, candidate in zip(listed.queries.tolist(), listed.candidates.tolist(), strict=True):
        if query in asked and query * ITEMS + candidate not in banned:
            expected.setdefault(query, []).append(candidate)
    assert lists_of(found) == {query: items[:quota] for query, items in expected.items()}


@given(
    sources=st.lists(st.tuples(rankings(), st.sampled_from([0.1, 0.4, 1.0])), min_size=1, max_size=3),
    length=st.integers(1, 6),
)
def test_fusion_adds_what_each_source_says_and_names_the_strongest(sources, length):
    """Scores are sums of weight / (60 + rank), lists are cut to length, and a list holds no candidate twice."""
    blended = blend([ranking for ranking, _ in sources], [weight for _, weight in sources], ITEMS, length)
    shares: dict[tuple[int, int], list[tuple[float, int]]] = {}
    for number, (ranking, weight) in enumerate(sources):
        for query, candidate, rank in zip(ranking.queries, ranking.candidates, ranking.ranks, strict=True):
            shares.setdefault((int(query), int(candidate)), []).append((weight / (RANK_OFFSET + rank), number))
    strongest_first = {key: sorted(mine, key=lambda share: (-share[0], share[1])) for key, mine in shares.items()}
    scores = {key: mine[0][0] + sum(share for share, _ in mine[1:]) for key, mine in strongest_first.items()}
    expected = []
    for query in sorted({query for query, _ in shares}):
        mine = sorted((c for q, c in shares if q == query), key=lambda c: (-scores[query, c], c))
        expected += [
            (query, c, rank, scores[query, c], strongest_first[query, c][0][1]) for rank, c in enumerate(mine[:length])
        ]
    found = zip(
        blended.queries.tolist(),
        blended.candidates.tolist(),
        blended.ranks.tolist(),
        blended.scores.tolist(),
        blended.sources.tolist(),
        strict=True,
    )
    assert list(found) == expected


def test_nothing_gives_nothing():
    """No queries, no items or no history make empty lists and no error."""
    none, no_scores = numbers([]), np.zeros(0)
    nobody = rank_everywhere(none, numbers([1, 2]), ITEMS, none, 3)
    nothing = rank_everywhere(numbers([0, 1]), none, ITEMS, none, 3)
    no_history = rank_neighbours(NO_PAIRS, Neighbours.of(none, none, no_scores, ITEMS), ITEMS, none, 3)
    unlisted = rank_listed(numbers([0, 1]), Ranking(none, none, none), ITEMS, none, 3)
    for ranking in (nobody, nothing, no_history, unlisted):
        assert lists_of(ranking) == {}
    assert len(blend([nobody, nothing, no_history, unlisted], [1.0] * 4, ITEMS, 5).queries) == 0
