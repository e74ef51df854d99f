"""The social graph as walks need it: who leads on to whom, with what share, and who may not be shown to whom.

Only a user's newest ties are walked over, so that a hub costs no more than anybody with that many. All of it lies in
plain arrays, which are written once and mapped by every process that looks into them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from daybreak.clock import DAY_US
from daybreak.sorted_keys import contained
from jobs.tie_arrays import Dated, Floats, Ints, Ties, turned

NO_SHARES: Floats = np.zeros(0)


@dataclass(frozen=True)
class Reach:
    """How far around each user is looked, and how much is kept of it."""

    most_ties: int = 500
    per_measure: int = 50
    most_reached: int = 300
    half_life_days: float = 30.0
    restart: float = 0.3
    steps: int = 5


class Links(NamedTuple):
    """Whom each user leads to, in order: the ends from `starts[user]` to before `starts[user + 1]`. `shares` are those
    of a walk's next steps, where a walk takes them."""

    starts: Ints
    ends: npt.NDArray[np.int32]
    shares: Floats = NO_SHARES

    def counts_of(self, users: Ints) -> Ints:
        """How many links each of these users has."""
        return self.starts[users + 1] - self.starts[users]

    def total(self, of_each: Ints) -> Ints:
        """For each user, a number of those led to, added up."""
        before = np.concatenate([[0], np.cumsum(of_each[self.ends])])
        return np.diff(before[self.starts])


@dataclass(frozen=True, eq=False)
class PeopleGraph:
    """All that is asked about users, by number, and about pairs, as sorted whole numbers.

    `friends`, `tied`, `follows` and `followers` are what is walked over; `known` and `following` count all friends and
    all follows. `apart` are pairs of which the first is never shown the second, `admirers` those of which the second
    follows the first; `besides` are shown whatever they measure. `work` is what a user costs: the steps of all walks of
    two steps, and what is held meanwhile.
    """

    friends: Links
    tied: Links
    follows: Links
    followers: Links
    known: Ints
    following: Ints
    apart: Ints
    admirers: Ints
    contacts: Ints
    besides: Ints
    work: Ints

    @property
    def users(self) -> int:
        """How many users there are."""
        return self.work.size

    @cached_property
    def who_follow(self) -> int:
        """How many users follow anybody."""
        return int(np.count_nonzero(self.following))

    @classmethod
    def of(cls, ties: Ties, reach: Reach) -> PeopleGraph:
        """The graph of the ties that hold."""
        users, most = ties.users, reach.most_ties
        friends = _links(users, newest_of(users, ties.friends, most))
        tied = _walks(users, ties, reach)
        follows = _links(users, newest_of(users, ties.follows, most))
        fans = _in_order(Dated(turned(users, ties.follows.keys), ties.follows.moments))
        followers = _links(users, newest_of(users, fans, most))
        own = np.arange(users) * (users + 1)
        apart = _union(own, ties.friends.keys, ties.follows.keys, ties.unwanted)
        unmet = newest_of(users, fans.where(~contained(fans.keys, apart)), reach.per_measure)
        besides = _union(unmet.keys, ties.contacts[~contained(ties.contacts, apart)])
        led = ((friends, friends), (tied, tied), (follows, followers))
        two_steps = sum(one.total(np.diff(other.starts)) for one, other in led)
        return cls(
            friends,
            tied,
            follows,
            followers,
            known=times(users, ties.friends.keys),
            following=times(users, ties.follows.keys),
            apart=apart,
            admirers=fans.keys,
            contacts=ties.contacts,
            besides=besides,
            work=two_steps + times(users, besides) + reach.most_reached,
        )

    def save(self, folder: Path) -> None:
        """Writes every array as a file of its own."""
        for name, array in self._arrays():
            np.save(folder / f"{name}.npy", array)

    @classmethod
    def opened(cls, folder: Path) -> PeopleGraph:
        """The graph of such files, mapped rather than read."""

        def array(name: str) -> Any:
            return np.asarray(np.load(folder / f"{name}.npy", mmap_mode="r"))

        values: dict[str, Any] = {}
        for field in fields(cls):
            parts = [f"{field.name}.{part}" for part in Links._fields]
            nested = (folder / f"{parts[0]}.npy").exists()
            values[field.name] = Links(*map(array, parts)) if nested else array(field.name)
        return cls(**values)

    def _arrays(self) -> Iterator[tuple[str, npt.NDArray[np.generic]]]:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Links):
                yield from ((f"{field.name}.{part}", getattr(value, part)) for part in Links._fields)
            else:
                yield field.name, value


def newest_of(users: int, pairs: Dated, most: int) -> Dated:
    """The pairs that are among the `most` newest of their first user; of equally new ones, those of the lowest ids."""
    rows = pairs.keys // max(users, 1)
    crowded = np.flatnonzero(times(users, pairs.keys)[rows] > most)
    order = crowded[np.lexsort((pairs.keys[crowded], -pairs.moments[crowded], rows[crowded]))]
    first = np.flatnonzero(np.diff(rows[order], prepend=-1))
    place = np.arange(order.size) - np.repeat(first, np.diff(first, append=order.size))
    kept = np.ones(rows.size, np.bool_)
    kept[order[place >= most]] = False
    return pairs.where(kept)


def times(users: int, keys: Ints) -> Ints:
    """How many of the pairs have each user as their first."""
    return np.bincount(keys // max(users, 1), minlength=users)


def _walks(users: int, ties: Ties, reach: Reach) -> Links:
    """Who is tied in any way to whom, with the share of a step from the one that ends at the other.

    Every tie, a friendship or a follow from either side, weighs by how new it is; a user's shares only depend on how
    much older one tie is than another, so they are taken from the user's newest.
    """
    follows = ties.follows
    told = [ties.friends, follows, Dated(turned(users, follows.keys), follows.moments)]
    every = _in_order(Dated(*map(np.concatenate, zip(*told, strict=True))))
    rows = every.keys // max(users, 1)
    latest = np.full(users, np.iinfo(np.int64).min)
    np.maximum.at(latest, rows, every.moments)
    weights = np.exp2((every.moments - latest[rows]) / (reach.half_life_days * DAY_US))
    first = np.flatnonzero(np.diff(every.keys, prepend=-1))
    keys = every.keys[first]
    if not first.size:
        return _links(users, every)
    newest = newest_of(users, Dated(keys, np.maximum.reduceat(every.moments, first)), reach.most_ties)
    weights = np.add.reduceat(weights, first)[np.searchsorted(keys, newest.keys)]
    rows = newest.keys // users
    return _links(users, newest, weights / np.bincount(rows, weights, users)[rows])


def _links(users: int, pairs: Dated, shares: Floats = NO_SHARES) -> Links:
    starts = np.concatenate([[0], np.cumsum(times(users, pairs.keys))])
    return Links(starts, (pairs.keys % max(users, 1)).astype(np.int32), shares)


def _in_order(pairs: Dated) -> Dated:
    order = np.argsort(pairs.keys, kind="stable")
    return Dated(pairs.keys[order], pairs.moments[order])


def _union(*parts: Ints) -> Ints:
    return np.unique(np.concatenate(parts))
