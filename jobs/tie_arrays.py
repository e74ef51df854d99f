"""What a night knows of the ties between users, on arrays.

Users are numbered in the order of their ids, and a pair is the whole number `one * users + other`, so that a set of
pairs is a sorted array and its order is that of the ids. Who is deactivated has no number: nothing that is told of
such a user is seen any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from daybreak.contracts import DS
from daybreak.sorted_keys import contained

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

KINDS = ("friend", "follow", "block", "contact", "dismiss")
FRIEND, FOLLOW, BLOCK, CONTACT, DISMISS = range(len(KINDS))
TIE_COLUMNS = ("src_user_id", "dst_user_id", "edge_type", "updated_ts", "status", DS)
"""The columns of `raw/edges` that tell the state of a tie."""


class Dated(NamedTuple):
    """Pairs in order, each once, and the moment each was first told, in microseconds since 1970."""

    keys: Ints
    moments: Ints

    def where(self, kept: Mask) -> Dated:
        """Those of the pairs that are kept."""
        return Dated(self.keys[kept], self.moments[kept])


@dataclass(frozen=True, eq=False)
class Ties:
    """The ties that hold among active users: friendships both ways round, follows from who follows.

    `contacts` are from who uploaded them. `unwanted` are pairs of which the first is never shown the second: those of
    whom one blocked the other, both ways round, and those whom the first dismissed. Of a blocked pair nothing else is
    told.
    """

    ids: pa.Array
    friends: Dated
    follows: Dated
    contacts: Ints
    unwanted: Ints

    @property
    def users(self) -> int:
        """How many users have a number."""
        return len(self.ids)


def deactivated(states: pa.Table) -> pa.Array:
    """The ids of the users whose newest state is not active."""
    return states["user_id"].filter(pc.not_equal(states["status"], "active")).combine_chunks()


def ties_known(edges: pa.Table, gone: pa.Array) -> Ties:
    """The ties that hold by all tellings of them, without those of the users who are gone.

    The newest telling says whether a tie holds. It counts since the first one, a friendship told by both since the
    first of those that hold; a tie with oneself is none.
    """
    ends = [edges[f"{end}_user_id"].cast(pa.large_string()) for end in ("src", "dst")]
    everybody = pa.chunked_array([chunk for end in ends for chunk in end.chunks], pa.large_string()).unique()
    ids = everybody.filter(pc.invert(pc.is_in(everybody, value_set=gone.cast(pa.large_string())))).sort()
    src, dst = (_numbers(end, ids) for end in ends)
    there = (src >= 0) & (dst >= 0) & (src != dst)
    kinds = _numbers(edges["edge_type"], pa.array(KINDS))
    held = _held(edges.filter(pa.array(there)), (src[there] * len(ids) + dst[there]) * len(KINDS) + kinds[there])
    by_kind = [Dated(held.keys[chosen] // len(KINDS), held.moments[chosen]) for chosen in _each_kind(held.keys)]
    return _between(ids, by_kind)


def turned(users: int, keys: Ints) -> Ints:
    """The same pairs the other way round, in the same places."""
    one, other = np.divmod(keys, max(users, 1))
    return other * users + one


def _between(ids: pa.Array, by_kind: list[Dated]) -> Ties:
    """Ties from what holds of each kind."""
    users = len(ids)
    blocks = by_kind[BLOCK].keys
    blocked = np.sort(np.concatenate([blocks, turned(users, blocks)]))
    friends, follows, contacts = (
        by_kind[kind].where(~contained(by_kind[kind].keys, blocked)) for kind in (FRIEND, FOLLOW, CONTACT)
    )
    both_ways = np.concatenate([friends.keys, turned(users, friends.keys)])
    return Ties(
        ids,
        _earliest(both_ways, np.tile(friends.moments, 2)),
        follows,
        contacts.keys,
        np.unique(np.concatenate([blocked, by_kind[DISMISS].keys])),
    )


def _numbers(values: pa.ChunkedArray, known: pa.Array) -> Ints:
    """The place of each value among those known; -1 where it is none of them."""
    return pc.fill_null(pc.index_in(values, known), -1).to_numpy().astype(np.int64)


def _held(rows: pa.Table, keys: Ints) -> Dated:
    """The ties whose newest telling says that they hold, with the moment of the first; `keys` say of which tie each row
    tells."""
    moments = rows["updated_ts"].cast(pa.int64()).to_numpy()
    nights = _numbers(rows[DS], pc.unique(rows[DS]).sort())
    active = pc.equal(rows["status"], "active").to_numpy()
    order = np.lexsort((nights, moments, keys))
    keys, moments, active = keys[order], moments[order], active[order]
    first = np.diff(keys, prepend=-1) > 0
    newest = np.append(first[1:], True)[: keys.size]
    return Dated(keys[first], moments[first]).where(active[newest])


def _each_kind(keys: Ints) -> list[Mask]:
    return [keys % len(KINDS) == kind for kind in range(len(KINDS))]


def _earliest(keys: Ints, moments: Ints) -> Dated:
    order = np.lexsort((moments, keys))
    keys, moments = keys[order], moments[order]
    first = np.diff(keys, prepend=-1) > 0
    return Dated(keys[first], moments[first])
