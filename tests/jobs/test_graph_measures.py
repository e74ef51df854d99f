"""Measures of the graph: what follows by hand, and what plain loops over sets give on any small graph."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs import graph_measures
from jobs.graph_measures import DAMPING, Graph, clustering, pagerank

MOST = 1_000
Ties = list[tuple[int, int]]


def graph_of(users: int, friends: Ties, follows: Ties) -> Graph:
    ends = [(np.array([a for a, _ in ties], np.int64), np.array([b for _, b in ties], np.int64)) for ties in
            (friends, follows)]  # fmt: skip
    return Graph.of(users, *ends)


@st.composite
def small_graphs(draw: st.DrawFn) -> tuple[int, Ties, Ties]:
    """Up to a dozen users; ties in any order, some told twice or both ways."""
    users = draw(st.integers(2, 12))
    user = st.integers(0, users - 1)
    ties = st.lists(st.tuples(user, user).filter(lambda tie: tie[0] != tie[1]), max_size=40)
    return users, draw(ties), draw(ties)


def onward_of(users: int, friends: Ties, follows: Ties) -> list[set[int]]:
    """Where a walk can go from each user."""
    onward: list[set[int]] = [set() for _ in range(users)]
    for one, other in friends:
        onward[one].add(other)
        onward[other].add(one)
    for follower, followed in follows:
        onward[follower].add(followed)
    return onward


def solved_pagerank(users: int, friends: Ties, follows: Ties) -> np.ndarray:
    """The walk's balance as a system of linear equations."""
    step = np.zeros((users, users))
    for source, targets in enumerate(onward_of(users, friends, follows)):
        step[:, source] = [(target in targets) / len(targets) if targets else 1 / users for target in range(users)]
    return np.linalg.solve(np.eye(users) - DAMPING * step, np.full(users, 1 - DAMPING))


def counted_clustering(users: int, friends: Ties, follows: Ties) -> list[float]:
    """Every pair of neighbours looked at."""
    near = onward_of(users, [*friends, *follows], [])
    shares = []
    for neighbours in near:
        pairs = list(combinations(sorted(neighbours), 2))
        shares.append(sum(b in near[a] for a, b in pairs) / len(pairs) if pairs else math.nan)
    return shares


@given(small_graphs(), st.integers(1, 7))
def test_measures_equal_those_of_plain_loops(drawn, pairs_a_block):
    """Counts, rank and clustering, in blocks of any size."""
    users, friends, follows = drawn
    graph = graph_of(*drawn)
    near = onward_of(users, friends, [])
    assert graph.friends.tolist() == [len(friends) for friends in near]
    assert graph.following.tolist() == [len({b for a, b in follows if a == user}) for user in range(users)]
    assert graph.followers.tolist() == [len({a for a, b in follows if b == user}) for user in range(users)]
    np.testing.assert_allclose(pagerank(graph), solved_pagerank(*drawn), atol=1e-5)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(graph_measures, "PAIRS_A_BLOCK", pairs_a_block)
        np.testing.assert_allclose(clustering(graph, MOST), counted_clustering(*drawn), atol=1e-12)


@given(small_graphs(), st.integers(2, 5))
def test_a_bound_on_neighbours_silences_hubs_and_changes_nobody_else(drawn, most):
    """Users below the bound keep their exact share, also where their neighbours are hubs."""
    near = onward_of(drawn[0], [*drawn[1], *drawn[2]], [])
    expected = [
        share if len(neighbours) <= most else math.nan
        for share, neighbours in zip(counted_clustering(*drawn), near, strict=True)
    ]
    np.testing.assert_allclose(clustering(graph_of(*drawn), most), expected, atol=1e-12)


@given(small_graphs(), st.randoms(use_true_random=False))
def test_the_order_and_number_of_tellings_do_not_matter(drawn, random):
    """The same ties shuffled, doubled and friendships turned round make an equal graph."""
    users, friends, follows = drawn
    again = [random.choice([(a, b), (b, a)]) for a, b in friends * 2]
    twice = follows * 2
    random.shuffle(again)
    random.shuffle(twice)
    assert graph_of(users, again, twice).equals(graph_of(*drawn))


def test_ranks_add_up_to_the_users():
    """In a ring everyone is average; a star's centre takes what the leaves pass on."""
    ring = graph_of(5, [], [(n, (n + 1) % 5) for n in range(5)])
    assert pagerank(ring).tolist() == pytest.approx([1.0] * 5)
    star = pagerank(graph_of(5, [(0, n) for n in range(1, 5)], []))
    centre = (1 + 4 * DAMPING) * (1 - DAMPING) / (1 - DAMPING**2)
    assert star.tolist() == pytest.approx([centre, *[(5 - centre) / 4] * 4], abs=1e-6)
    assert star.sum() == pytest.approx(5)


def test_a_triangle_with_a_tail():
    """Both neighbours of two corners are tied; of the third corner's three pairs one is; the tail has no pair."""
    shares = clustering(graph_of(4, [(0, 1)], [(1, 2), (2, 0), (2, 3)]), MOST)
    assert shares[:3].tolist() == pytest.approx([1, 1, 1 / 3])
    assert math.isnan(shares[3])


def test_nobody_at_all():
    """A graph without users has measures without rows."""
    empty = graph_of(0, [], [])
    assert pagerank(empty).size == clustering(empty, MOST).size == empty.friends.size == 0
