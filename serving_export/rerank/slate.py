"""Ranked candidates of a block of queries as tables: a line a query, its candidates side by side, best first."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from serving_export.arrays import NOBODY, Flags, Floats, Ints, best_first, places, table_of
from serving_export.merge import Merged


@dataclass(frozen=True)
class Slate:
    """`rows[line, place]` is the row of a candidate among the merged ones, -1 past the last one of the line."""

    merged: Merged
    queries: Ints
    rows: Ints
    scores: Floats

    @classmethod
    def of(cls, merged: Merged, scores: Floats) -> Slate:
        """The merged candidates, by falling score; ties in the order in which they were merged."""
        order = best_first(merged.queries, scores)
        at = places(merged.queries)
        lines, queries = np.cumsum(at == 0) - 1, merged.queries[at == 0]
        shape = (len(queries), int(at.max(initial=-1)) + 1)
        rows = table_of(lines, at, order, shape, NOBODY)
        return cls(merged, queries, rows, table_of(lines, at, scores[order], shape, -np.inf))

    @property
    def there(self) -> Flags:
        return self.rows >= 0

    def of_candidates(self, values: Ints) -> Ints:
        """What is known of each candidate, at its place; -1 where there is none."""
        return np.where(self.there, values[self.merged.candidates[self.rows]], NOBODY)

    @property
    def candidates(self) -> Ints:
        return np.where(self.there, self.merged.candidates[self.rows], NOBODY)
