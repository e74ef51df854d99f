"""What is known of users and items on a night: who gets lists, what may be in them, who owns what, who wanted what."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from daybreak.clock import end_of
from daybreak.contracts import DS
from daybreak.datasets import EVENTS, ITEMS, USERS
from daybreak.interest import WEIGHTS
from daybreak.item_states import may_be_shown
from daybreak.step_io import StepIO

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

OWNING = ("purchase", "rating")
HISTORY_HALF_LIFE_DAYS = 14.0


class Names:
    """Ids as numbers from 0, in the order of the ids."""

    def __init__(self, ids: pa.Array | pa.ChunkedArray) -> None:
        flat = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else ids
        self.ids = pc.unique(flat).take(pc.sort_indices(pc.unique(flat)))

    def __len__(self) -> int:
        return len(self.ids)

    def numbers(self, ids: pa.Array | pa.ChunkedArray) -> Ints:
        """The number of each id; -1 where it is not among the names."""
        return pc.fill_null(pc.index_in(ids, value_set=self.ids), -1).to_numpy(zero_copy_only=False).astype(np.int64)

    def of(self, numbers: Ints) -> pa.Array:
        return self.ids.take(pa.array(numbers))


@dataclass(frozen=True)
class Pairs:
    """Queries (mostly users) with items, each pair once, ordered by query and item."""

    queries: Ints
    items: Ints
    weights: Floats

    def of(self, queries: Ints) -> Pairs:
        """Those of some queries, which are given in order."""
        if not len(queries):
            return NO_PAIRS
        first, end = np.searchsorted(self.queries, [queries[0], queries[-1] + 1])
        kept = first + np.flatnonzero(np.isin(self.queries[first:end], queries))
        return Pairs(self.queries[kept], self.items[kept], self.weights[kept])


NO_PAIRS = Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


@dataclass(frozen=True)
class Interest:
    """What each event says of interest, halved with age, and how many days old the event is."""

    users: Ints
    items: Ints
    weights: Floats
    ages: Floats


@dataclass(frozen=True)
class Facts:
    """The night's users and items, and what ties them."""

    users: Names
    items: Names
    active_users: Ints
    active_items: Ints
    owned: Pairs
    interest: Interest

    def wanted(self, history_days: int) -> Pairs:
        """What users wanted in the last days, the night's own among them."""
        recent = self.interest.ages < history_days
        users, items, weights = self.interest.users, self.interest.items, self.interest.weights
        return _pairs(users[recent], items[recent], weights[recent], len(self.items))


def gather(io: StepIO) -> Facts:
    """Facts as known on the night of this step."""
    events = io.read(EVENTS, columns=["user_id", "item_id", "event_type", DS])
    events = events.filter(pc.is_in(events["event_type"], value_set=pa.array(WEIGHTS)))
    user_states, item_states = io.state(USERS), io.state(ITEMS)
    users = Names(pa.chunked_array([*events["user_id"].chunks, *user_states["user_id"].chunks], pa.string()))
    items = Names(pa.chunked_array([*events["item_id"].chunks, *item_states["item_id"].chunks], pa.string()))
    interest = _interest(events, users, items, io.ds)
    owning = pc.is_in(events["event_type"], value_set=pa.array(OWNING)).to_numpy()
    return Facts(
        users=users,
        items=items,
        active_users=_active_users(users, user_states),
        active_items=_active_items(items, item_states, io.ds),
        owned=_pairs(interest.users[owning], interest.items[owning], np.ones(owning.sum()), len(items)),
        interest=interest,
    )


def _active_users(users: Names, states: pa.Table) -> Ints:
    """All who are known, also by their events alone, and not deactivated."""
    gone = users.numbers(states.filter(pc.not_equal(states["status"], "active"))["user_id"])
    return np.setdiff1d(np.arange(len(users)), gone)


def _active_items(items: Names, states: pa.Table, ds: str) -> Ints:
    """The items of the catalogue that may be shown at the end of the day; all items where there is no catalogue."""
    if not states.num_rows:
        return np.arange(len(items))
    return np.unique(items.numbers(states.filter(may_be_shown(states, ds))["item_id"]))


def _interest(events: pa.Table, users: Names, items: Names, ds: str) -> Interest:
    kinds = pa.array(WEIGHTS)
    weights = np.array(list(WEIGHTS.values()), dtype=np.float64)[
        pc.index_in(events["event_type"], value_set=kinds).to_numpy()
    ]
    days = events[DS].combine_chunks().dictionary_encode()
    ages_of_days = np.array([(end_of(ds) - end_of(day)).days for day in days.dictionary.to_pylist()], dtype=np.float64)
    ages = ages_of_days[days.indices.to_numpy()]
    fading = 0.5 ** (ages / HISTORY_HALF_LIFE_DAYS)
    return Interest(users.numbers(events["user_id"]), items.numbers(events["item_id"]), weights * fading, ages)


def _pairs(users: Ints, items: Ints, weights: Floats, n_items: int) -> Pairs:
    keys = users * n_items + items
    order = np.lexsort((weights, keys))
    distinct, starts = np.unique(keys[order], return_index=True)
    totals = np.add.reduceat(weights[order], starts) if len(distinct) else np.zeros(0)
    return Pairs(*np.divmod(distinct, max(n_items, 1)), totals)
