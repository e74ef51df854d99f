"""Measures of a user's place in the social graph, on arrays.

Users are numbered from 0, and a link from `a` to `b` among `n` users is the whole number `a * n + b`, so that a set of
links is a sorted array. Memory is bounded by the links: what grows faster is worked through in blocks.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
from scipy import sparse

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

DAMPING = 0.85
CLOSE_ENOUGH = 1e-10
MOST_ROUNDS = 100
PAIRS_A_BLOCK = 1 << 22


@dataclass(frozen=True, eq=False)
class Graph:
    """Friendships, each once as a link to the user of the higher number, and follows."""

    users: int
    friendships: Ints
    follows: Ints

    @classmethod
    def of(cls, users: int, friends: tuple[Ints, Ints], follows: tuple[Ints, Ints]) -> Graph:
        """From the ends of ties, in any order and however often each is told."""
        one, other = friends
        friendships = _links(users, np.minimum(one, other), np.maximum(one, other))
        return cls(users, friendships, _links(users, *follows))

    def equals(self, other: Graph) -> bool:
        return (
            self.users == other.users
            and np.array_equal(self.friendships, other.friendships)
            and np.array_equal(self.follows, other.follows)
        )

    @cached_property
    def friends(self) -> Ints:
        """How many friends each user has."""
        one, other = _ends(self.users, self.friendships)
        return _times(self.users, one) + _times(self.users, other)

    @cached_property
    def following(self) -> Ints:
        return _times(self.users, _ends(self.users, self.follows)[0])

    @cached_property
    def followers(self) -> Ints:
        return _times(self.users, _ends(self.users, self.follows)[1])


def pagerank(graph: Graph) -> Floats:
    """The share of a random walk that ends at each user, times the users: 1 is average.

    The walk follows friendships both ways and follows one way. It starts anew at anyone where no link leads on, and
    with a chance of `1 - DAMPING` at any step.
    """
    users, (one, other) = graph.users, _ends(graph.users, graph.friendships)
    follower, followed = _ends(users, graph.follows)
    links = _links(users, np.concatenate([one, other, follower]), np.concatenate([other, one, followed]))
    source, target = _ends(users, links)
    out = _times(users, source)
    onward = sparse.csr_matrix((1.0 / out[source], (target, source)), shape=(users, users))
    stuck = out == 0
    rank = np.ones(users)
    for _ in range(MOST_ROUNDS):
        before = rank
        rank = 1 - DAMPING + DAMPING * (onward @ before + before[stuck].sum() / max(users, 1))
        if np.abs(rank - before).sum() < CLOSE_ENOUGH * users:
            break
    return rank


def clustering(graph: Graph, most_neighbours: int) -> Floats:
    """The share of the pairs of a user's neighbours that are tied themselves, whichever way and by whichever tie.

    NaN where there is no pair, and for users with more than `most_neighbours`. Every triangle is found at the one of
    its users who has fewest neighbours, so that a hub makes no flood of pairs; those among hubs alone are not looked
    for.
    """
    users, (follower, followed) = graph.users, _ends(graph.users, graph.follows)
    follows = _links(users, np.minimum(follower, followed), np.maximum(follower, followed))
    one, other = _ends(users, _distinct(np.concatenate([graph.friendships, follows])))
    neighbours = _times(users, one) + _times(users, other)
    by_neighbours = np.argsort(neighbours, kind="stable")
    place = np.empty(users, np.int64)
    place[by_neighbours] = np.arange(users)
    links = _links(users, np.minimum(place[one], place[other]), np.maximum(place[one], place[other]))
    few = neighbours[by_neighbours] <= most_neighbours
    triangles = _triangles(users, links, few)[place].astype(np.float64)
    pairs = neighbours * (neighbours - 1) / 2
    told = (pairs > 0) & (neighbours <= most_neighbours)
    return np.divide(triangles, pairs, out=np.full(users, np.nan), where=told)


def _triangles(users: int, links: Ints, begins: npt.NDArray[np.bool_]) -> Ints:
    """How many triangles each user is in, of those whose lowest user may begin one. Links lead upwards."""
    low, high = _ends(users, links)
    row_ends = np.cumsum(_times(users, low))[low]
    partners = np.where(begins[low], row_ends - 1 - np.arange(links.size), 0)
    triangles = np.zeros(users, np.int64)
    for first, last in _blocks(partners):
        one = np.repeat(np.arange(first, last), partners[first:last])
        upto = np.cumsum(partners[first:last])
        other = one + 1 + np.arange(one.size) - np.repeat(upto - partners[first:last], partners[first:last])
        closing = high[one] * users + high[other]
        found = np.searchsorted(links, closing)
        closed = links[np.minimum(found, links.size - 1)] == closing
        one, other = one[closed], other[closed]
        triangles += _times(users, np.concatenate([low[one], high[one], high[other]]))
    return triangles


def _blocks(counts: Ints) -> Iterator[tuple[int, int]]:
    """Ranges that together count about `PAIRS_A_BLOCK` each, and cover everything that counts."""
    total = np.cumsum(counts)
    if not total.size or not total[-1]:
        return
    edges = np.searchsorted(total, np.arange(PAIRS_A_BLOCK, total[-1], PAIRS_A_BLOCK)) + 1
    yield from pairwise(_distinct(np.concatenate([[0], edges, [counts.size]])).tolist())


def _links(users: int, source: Ints, target: Ints) -> Ints:
    return _distinct(source.astype(np.int64) * users + target)


def _distinct(links: Ints) -> Ints:
    """In order and each once; on many numbers, sorting takes a fraction of the time of `np.unique`."""
    links = np.sort(links)
    return links[np.diff(links, prepend=-1) > 0]


def _ends(users: int, links: Ints) -> tuple[Ints, Ints]:
    return np.divmod(links, max(users, 1))


def _times(users: int, named: Ints) -> Ints:
    return np.bincount(named, minlength=users)
