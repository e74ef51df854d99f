"""Ids as numbers, and pairs of numbered things."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from serving_export.arrays import NOBODY, Floats, Ints, places


class Names:
    """Ids as numbers from 0, in the order of the ids."""

    def __init__(self, ids: pa.Array | pa.ChunkedArray) -> None:
        distinct = pc.unique(ids)
        self.ids = distinct.take(pc.sort_indices(distinct))

    def __len__(self) -> int:
        return len(self.ids)

    def numbers(self, ids: pa.Array | pa.ChunkedArray) -> Ints:
        """The number of each id; -1 where it is not among the names."""
        found = pc.fill_null(pc.index_in(ids, value_set=self.ids), NOBODY)
        return found.to_numpy(zero_copy_only=False).astype(np.int64)

    def number(self, name: str) -> int:
        """The number of one id; -1 where there is none."""
        return int(pc.index(self.ids, name).as_py())

    def of(self, numbers: Ints) -> pa.Array:
        return self.ids.take(pa.array(numbers))


@dataclass(frozen=True)
class Pairs:
    """Queries with what they are paired with, each pair once, ordered by both."""

    queries: Ints
    others: Ints
    weights: Floats

    @classmethod
    def of_pairs(cls, queries: Ints, others: Ints, weights: Floats | None = None) -> Pairs:
        """From pairs in any order, each once."""
        order = np.lexsort((others, queries))
        weights = np.ones(len(queries)) if weights is None else weights
        return cls(queries[order], others[order], weights[order])

    @classmethod
    def summed(cls, queries: Ints, others: Ints, weights: Floats, n_others: int) -> Pairs:
        """From rows that name a pair more than once, whose weights are added in the order of the rows."""
        keys = queries * n_others + others
        order = np.argsort(keys, kind="stable")
        distinct, starts = np.unique(keys[order], return_index=True)
        totals = np.add.reduceat(weights[order], starts) if len(distinct) else np.zeros(0)
        return cls(*np.divmod(distinct, max(n_others, 1)), totals)

    def of(self, queries: Ints) -> Pairs:
        """Those of some queries, which are given in order."""
        if not len(queries):
            return NO_PAIRS
        first, end = np.searchsorted(self.queries, [queries[0], queries[-1] + 1])
        kept = first + np.flatnonzero(np.isin(self.queries[first:end], queries))
        return Pairs(self.queries[kept], self.others[kept], self.weights[kept])

    def most(self, count: int) -> Pairs:
        """Of each query those of the most weight, no more than so many."""
        order = np.lexsort((self.others, -self.weights, self.queries))
        kept = np.sort(order[places(self.queries[order]) < count])
        return Pairs(self.queries[kept], self.others[kept], self.weights[kept])

    def keys(self, n_others: int) -> Ints:
        """Each pair as one number; rising, as the pairs are in order."""
        return self.queries * n_others + self.others


NO_PAIRS = Pairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0))


def themselves(queries: Ints) -> Pairs:
    """Each paired with itself."""
    return Pairs(queries, queries, np.ones(len(queries)))
