"""Merging candidates of many sources into one list per query, by reciprocal-rank fusion.

A candidate scores weight / (60 + rank) in each source that proposes it. After Cormack, Clarke and Büttcher, "Reciprocal
Rank Fusion outperforms Condorcet and individual Rank Learning Methods" (2009).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from daybreak.sorted_keys import in_order
from serving_export.arrays import Floats, Ints, best_first, places
from serving_export.sources.found import Found

RANK_OFFSET = 60.0
NO_SOURCE = 63
"""More than the number of any source, of which there are at most so many: a set of them is the bits of one number."""


@dataclass(frozen=True)
class Merged:
    """Candidates of queries, best first. `source` numbers the source that contributed most, `sources` is the set of all
    that proposed the candidate, a bit for each."""

    queries: Ints
    candidates: Ints
    scores: Floats
    source: Ints
    sources: Ints

    def rows(self, kept: Ints) -> Merged:
        """Some rows, in the order given."""
        return Merged(
            self.queries[kept],
            self.candidates[kept],
            self.scores[kept],
            self.source[kept],
            self.sources[kept],
        )


def merge(
    found: Sequence[Found], weights: Sequence[Floats], numbers: Sequence[int], n_candidates: int, length: int
) -> Merged:
    """The best `length` of each query, of what was found with a weight a row; `numbers` are the sources it came from.

    Ties go to the smaller candidate, and between sources to the one named first: the same input gives the same lists.
    """
    keys = np.concatenate([each.queries * n_candidates + each.candidates for each in found])
    shares = np.concatenate([weight / (RANK_OFFSET + each.ranks) for each, weight in zip(found, weights, strict=True)])
    source = np.concatenate([np.full(len(each.queries), number) for number, each in zip(numbers, found, strict=True)])
    keys, order = in_order(keys)
    shares, source = shares[order], source[order]
    starts = np.flatnonzero(np.diff(keys, prepend=-1))
    if not len(starts):
        return Merged(*(np.zeros(0, np.int64),) * 2, np.zeros(0), *(np.zeros(0, np.int64),) * 2)
    strongest = np.repeat(np.maximum.reduceat(shares, starts), np.diff(starts, append=len(keys)))
    loudest = np.minimum.reduceat(np.where(shares == strongest, source, NO_SOURCE), starts)
    bits = np.bitwise_or.reduceat(np.int64(1) << source, starts)
    queries, candidates = np.divmod(keys[starts], n_candidates)
    merged = Merged(queries, candidates, np.add.reduceat(shares, starts), loudest, bits)
    merged = merged.rows(best_first(queries, merged.scores))
    return merged.rows(np.flatnonzero(places(merged.queries) < length))
