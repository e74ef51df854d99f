"""Who is near each user of the social graph, and how near: measures over walks of two steps and more, on arrays.

Every measure is a sum over walks that begin at a user, and a pair of a user and whom a walk reaches is one whole
number. So a step is: take all links onward, sort what is reached, add up what is reached more than once. Steps are
taken for so many users at once as the processor's cache holds, so a step costs the same in a small graph and in a
large one, and what a user's walks add up to does not depend on who else is looked at.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from daybreak.sorted_keys import found_at, in_order
from jobs.people_graph import Links, PeopleGraph, Reach
from jobs.tie_arrays import Floats, Ints, Mask

STEPS_AT_ONCE = 1 << 16
DIGITS = 9
COMMON = ("common", "adamic_adar", "allocation")
MEASURES = (*COMMON, "walk", "pagerank", "follow_pmi")
FEW = 2
"""Of so many followed in common, `follow_pmi` counts half."""


class Reached(NamedTuple):
    """Pairs in order, each once, and what was added up for each."""

    keys: Ints
    values: Floats

    def where(self, kept: Mask | slice) -> Reached:
        """Those of the pairs that are kept."""
        return Reached(self.keys[kept], self.values[kept])


class Near(NamedTuple):
    """Pairs of a user and somebody near, in order, and every measure of each."""

    keys: Ints
    measures: dict[str, Floats]


def ranges(work: Ints, most: int) -> Iterator[tuple[int, int]]:
    """Ranges that cover everything and cost up to `most` each; what costs more is a range of its own."""
    total, start = np.cumsum(work), 0
    while start < work.size:
        before = int(total[start - 1]) if start else 0
        stop = max(start + 1, int(np.searchsorted(total, before + most, side="right")))
        yield start, stop
        start = stop


def near(graph: PeopleGraph, reach: Reach, first: int, last: int) -> Near:
    """Who is near the users from the number `first` to before `last`, who may be shown to them."""
    parts = [
        _near_few(graph, reach, first + start, first + stop)
        for start, stop in ranges(graph.work[first:last], STEPS_AT_ONCE)
    ]
    keys = np.concatenate([part.keys for part in parts])
    return Near(keys, {name: np.concatenate([part.measures[name] for part in parts]) for name in MEASURES})


def _near_few(graph: PeopleGraph, reach: Reach, first: int, last: int) -> Near:
    """The same for so few users that all their walks are looked at together."""
    apart = _of(graph.apart, graph.users, first, last)
    found = {name: _shown(reached, apart) for name, reached in _measured(graph, reach, first, last).items()}
    best = [each.keys[_strongest(each, graph.users, first, last, reach.per_measure)] for each in found.values()]
    keys = np.unique(np.concatenate([*best, _of(graph.besides, graph.users, first, last)]))
    return Near(keys, {name: _looked_up(keys, found[name]) for name in MEASURES})


def _measured(graph: PeopleGraph, reach: Reach, first: int, last: int) -> dict[str, Reached]:
    """Each measure of all whom the users' walks reach."""
    own = np.arange(first, last) * (graph.users + 1)
    return {
        **friends_in_common(graph, own),
        "walk": two_steps(graph, own),
        "pagerank": pagerank(graph, reach, first, last),
        "follow_pmi": follow_pmi(graph, own),
    }


def friends_in_common(graph: PeopleGraph, own: Ints) -> dict[str, Reached]:
    """How many friends lead from a user to another; the same with those who know few counting more; and with each
    dealing out one among all friends."""
    friends, _, _ = _onward(own, graph.users, graph.friends)
    ends, _, counts = _onward(friends, graph.users, graph.friends)
    known = graph.known[friends % graph.users]
    adamic_adar, allocation = 1 / np.log(np.maximum(known, 2)), 1 / known
    keys, first, sums = _added_up(ends, np.repeat(adamic_adar, counts), np.repeat(allocation, counts))
    values = (np.diff(first, append=ends.size).astype(np.float64), *sums)
    return {name: Reached(keys, value) for name, value in zip(COMMON, values, strict=True)}


def two_steps(graph: PeopleGraph, own: Ints) -> Reached:
    """The share of walks of two steps, over recent ties more often, that end at another."""
    at = _walked(graph, Reached(own, np.ones(own.size)))
    keys, _, (sums,) = _added_up(*_walked(graph, at))
    return Reached(keys, sums)


def follow_pmi(graph: PeopleGraph, own: Ints) -> Reached:
    """How much more often than by chance two users follow the same, where few in common count for less."""
    followed, _, _ = _onward(own, graph.users, graph.follows)
    ends, _, _ = _onward(followed, graph.users, graph.followers)
    keys, first, _ = _added_up(ends)
    counts = np.diff(first, append=ends.size)
    one, other = np.divmod(keys, graph.users)
    by_chance = graph.following[one] * graph.following[other] / graph.who_follow
    return Reached(keys, np.maximum(np.log(counts / by_chance), 0) * counts / (counts + FEW))


def pagerank(graph: PeopleGraph, reach: Reach, first: int, last: int) -> Reached:
    """Where a walk over recent ties that starts anew at its user now and then is after so many steps.

    After each step only the `most_reached` strongest of each user are kept, after the last one only of those who may be
    shown. So what is told is an approximation from below, exact as long as no more are reached.
    """
    own = np.arange(first, last) * (graph.users + 1)
    at = Reached(own, np.ones(own.size))
    for step in range(reach.steps):
        starts = _starts(at.keys, graph.users, first, last)
        work = np.concatenate([[0], np.cumsum(graph.tied.counts_of(at.keys % graph.users))])
        parts = []
        for one, other in ranges(np.diff(work[starts]), STEPS_AT_ONCE):
            stepped = _step(graph, reach, at.where(slice(starts[one], starts[other])), own[one:other])
            if step == reach.steps - 1:
                stepped = _shown(stepped, _of(graph.apart, graph.users, first + one, first + other))
            kept = _strongest(stepped, graph.users, first + one, first + other, reach.most_reached)
            parts.append(stepped.where(kept))
        at = Reached(np.concatenate([part.keys for part in parts]), np.concatenate([part.values for part in parts]))
    return at


def _step(graph: PeopleGraph, reach: Reach, at: Reached, own: Ints) -> Reached:
    """One step of the walks of these users, who start anew at themselves."""
    ends, shares = _walked(graph, at)
    weights = np.concatenate([np.full(own.size, reach.restart), (1 - reach.restart) * shares])
    keys, _, (sums,) = _added_up(np.concatenate([own, ends]), weights)
    return Reached(keys, sums)


def _walked(graph: PeopleGraph, at: Reached) -> Reached:
    """Where walks are one step on, each way there by itself and in no order."""
    ends, link, counts = _onward(at.keys, graph.users, graph.tied)
    return Reached(ends, np.repeat(at.values, counts) * graph.tied.shares[link])


def _onward(keys: Ints, users: int, links: Links) -> tuple[Ints, Ints, Ints]:
    """Every link that leads on from where pairs end: the pairs of their beginning and its end, which link it is, and
    how many there are from each of the pairs."""
    owners, at = np.divmod(keys, users)
    counts = links.counts_of(at)
    link = np.repeat(links.starts[at] - (np.cumsum(counts) - counts), counts)
    link += np.arange(link.size)
    return np.repeat(owners * users, counts) + links.ends[link], link, counts


def _added_up(keys: Ints, *weights: Floats) -> tuple[Ints, Ints, list[Floats]]:
    """The keys in order, each once, where the first of each is among them all, and what the weights of each add up to,
    in the order in which they came."""
    if not keys.size:
        return keys, keys, list(weights)
    keys, order = in_order(keys)
    first = np.flatnonzero(np.concatenate([[True], keys[1:] != keys[:-1]]))
    return keys[first], first, [np.add.reduceat(each[order], first) for each in weights]


def _starts(keys: Ints, users: int, first: int, last: int) -> Ints:
    """Where the pairs of each of these users begin, and where the last ones end."""
    return np.searchsorted(keys, np.arange(first, last + 1) * users)


def _of(pairs: Ints, users: int, first: int, last: int) -> Ints:
    """Those of the pairs that are of these users."""
    return pairs[slice(*np.searchsorted(pairs, [first * users, last * users]))]


def _shown(reached: Reached, apart: Ints) -> Reached:
    """Those who may be shown, with what is left of their values when rounded."""
    values = np.round(reached.values, DIGITS)
    kept = values > 0
    if kept.size:
        place = np.minimum(np.searchsorted(reached.keys, apart), kept.size - 1)
        kept[place[reached.keys[place] == apart]] = False
    return Reached(reached.keys[kept], values[kept])


def _strongest(reached: Reached, users: int, first: int, last: int, most: int) -> Mask:
    """Which pairs are among the `most` highest of their user; of equal ones, those of the lowest ids."""
    starts = _starts(reached.keys, users, first, last)
    kept = np.ones(reached.keys.size, np.bool_)
    for row in np.flatnonzero(np.diff(starts) > most):
        own = reached.values[starts[row] : starts[row + 1]]
        bound = np.partition(own, own.size - most)[own.size - most]
        high = own > bound
        high[np.flatnonzero(own == bound)[: most - np.count_nonzero(high)]] = True
        kept[starts[row] : starts[row + 1]] = high
    return kept


def _looked_up(keys: Ints, reached: Reached) -> Floats:
    """The value of each pair; 0 where it was not reached."""
    at = found_at(keys, reached.keys)
    return np.append(reached.values, 0.0)[at]
