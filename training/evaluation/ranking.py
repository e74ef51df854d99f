"""How well ranked lists name what was wanted: the measures of lists, query by query.

Everything is arrays over many queries at once. A list is measured by where in it each relevant item stands, so one
search per pair serves every measure at every length. A measure is named with its length, such as `ndcg_at_20`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daybreak.errors import InputError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Scores = npt.NDArray[np.float32]

NO_ITEM = -1
NOWHERE = int(np.iinfo(np.int64).max)
"""The place of an item that is not in the list."""


@dataclass(frozen=True)
class Sets:
    """A set of items for each query: those of query q stand, in order, at starts[q] to starts[q + 1]."""

    starts: Ints
    items: Ints

    @classmethod
    def of(cls, rows: Ints, items: Ints, n_rows: int) -> Sets:
        """The sets that pairs of query and item make; a pair told twice is in the set once."""
        rows, items = np.asarray(rows, dtype=np.int64), np.asarray(items, dtype=np.int64)
        if len(rows) and not (rows.min() >= 0 and rows.max() < n_rows and items.min() >= 0):
            raise InputError(
                f"sets of {n_rows} queries need queries from 0 to {n_rows - 1} and items from 0, but there are queries "
                f"from {rows.min()} to {rows.max()} and items from {items.min()}: leave out what has no number"
            )
        width = int(items.max(initial=0)) + 1
        rows, items = np.divmod(np.unique(rows * width + items), width)
        return cls(np.searchsorted(rows, np.arange(n_rows + 1)), items)

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def sizes(self) -> Ints:
        return np.diff(self.starts)

    @property
    def rows(self) -> Ints:
        """The query of each item."""
        return np.repeat(np.arange(len(self)), self.sizes)

    def of_rows(self, rows: Ints) -> Sets:
        """The sets of some queries, which are numbered anew, from 0 in the order given."""
        sizes = self.sizes[rows]
        ends = np.cumsum(sizes)
        places = np.arange(sizes.sum()) + np.repeat(self.starts[rows] - (ends - sizes), sizes)
        return Sets(np.r_[0, ends], self.items[places])


def places(lists: Ints, relevant: Sets) -> Ints:
    """Where in its query's list each relevant item stands, counted from 0; NOWHERE if it is not in it."""
    width = int(max(lists.max(initial=0), relevant.items.max(initial=0))) + 2  # so that NO_ITEM is nobody's item
    wanted = relevant.rows * width + relevant.items
    shown = (lists + np.arange(len(lists))[:, None] * width).ravel()
    at = np.searchsorted(wanted, shown)
    hit = np.flatnonzero(np.r_[wanted, -2][at] == shown)
    found = np.full(len(wanted), NOWHERE)
    found[at[hit]] = hit % lists.shape[1]
    return found


def per_query(relevant: Sets, found: Ints, ks: Sequence[int]) -> dict[str, Floats]:
    """Every measure of every query, at each length; each query has something relevant.

    recall     hits / relevant items
    ndcg       gain of a hit 1 / log2(place + 2), over that of the best list of length k
    map        precision at each hit, summed, over the most hits that k places allow
    mrr        1 / place of the first hit, from 1
    precision  hits / k
    hit_rate   whether there is a hit
    """
    rows, sizes, n = relevant.rows, relevant.sizes, len(relevant)
    found = found[np.lexsort((found, rows))]
    nth_hit = np.arange(1, len(found) + 1) - np.repeat(relevant.starts[:-1], sizes)
    gains = 1 / np.log2(found + 2.0)
    precisions = nth_hit / (found + 1.0)
    first = found[relevant.starts[:-1]]
    measures: dict[str, Floats] = {}
    for k in ks:
        hit = found < k
        hits = np.bincount(rows[hit], minlength=n)
        ideal = np.r_[0.0, np.cumsum(1 / np.log2(np.arange(k) + 2.0))]
        most = np.minimum(sizes, k)
        measures[f"recall_at_{k}"] = hits / sizes
        measures[f"ndcg_at_{k}"] = np.bincount(rows[hit], gains[hit], minlength=n) / ideal[most]
        measures[f"map_at_{k}"] = np.bincount(rows[hit], precisions[hit], minlength=n) / most
        measures[f"mrr_at_{k}"] = np.where(first < k, 1 / (first + 1.0), 0.0)
        measures[f"precision_at_{k}"] = hits / k
        measures[f"hit_rate_at_{k}"] = (hits > 0).astype(np.float64)
    return measures
