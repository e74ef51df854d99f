"""The ways in which sources find: lists of each query, neighbours of what a query holds, lists of groups and of all."""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix

from serving_export.arrays import NOBODY, Floats, Ints, places, spread
from serving_export.names import Pairs
from serving_export.sources.found import Block, Found, together


class Listed:
    """Candidates that stand listed for each query: rows of any order, each pair once."""

    def __init__(self, queries: Ints, candidates: Ints, scores: Floats) -> None:
        order = np.lexsort((candidates, -scores, queries))
        self._queries = queries[order]
        self._candidates = candidates[order].astype(np.int32)
        self._scores = scores[order].astype(np.float32)

    def find(self, block: Block, quota: int) -> Found:
        starts = np.searchsorted(self._queries, block.queries)
        ends = np.searchsorted(self._queries, block.queries, side="right")
        owners, at = spread(starts, ends)
        found = Found(block.queries[owners], self._candidates[at].astype(np.int64), self._scores[at].astype(np.float64))
        return found.within(block, quota)


class Neighbours:
    """Candidates tied to what each query holds, by the weight it holds it with. `ties` has a line for each thing that
    may be held, and a column for each candidate."""

    def __init__(self, held: Pairs, ties: csr_matrix, *, named: bool = True) -> None:
        self._held = held
        self._ties = ties
        self._named = named

    def find(self, block: Block, quota: int) -> Found:
        held = self._held.of(block.queries)
        starts = np.r_[np.searchsorted(held.queries, block.queries), len(held.queries)]
        shape = (len(block.queries), self._ties.shape[0])
        tied = csr_matrix((held.weights, held.others, starts), shape=shape) @ self._ties
        lines, candidates = np.repeat(np.arange(shape[0]), np.diff(tied.indptr)), tied.indices.astype(np.int64)
        kept = np.flatnonzero(block.barred.allows(block.queries[lines], candidates) & (tied.data > 0))
        lines, candidates, scores = lines[kept], candidates[kept], tied.data[kept]
        order = np.lexsort((candidates, -scores, lines))
        order = order[places(lines[order]) < quota]
        return Found(block.queries[lines[order]], candidates[order], scores[order])

    def led_by(self, queries: Ints, candidates: Ints) -> Ints:
        """What each query holds that ties the candidate to it most; -1 where what it holds has no name."""
        if not self._named or not len(queries):
            return np.full(len(queries), NOBODY)
        starts = np.searchsorted(self._held.queries, queries)
        owners, at = spread(starts, np.searchsorted(self._held.queries, queries, side="right"))
        things = self._held.others[at]
        ties = np.asarray(self._ties[things, candidates[owners]]).ravel()
        order = np.lexsort((things, -self._held.weights[at] * ties, owners))
        found = np.full(len(queries), NOBODY)
        firsts, first_at = np.unique(owners[order], return_index=True)
        found[firsts] = things[order][first_at]
        return found


def ties_of(things: Ints, candidates: Ints, scores: Floats, shape: tuple[int, int]) -> csr_matrix:
    """How candidates are tied to things, each pair once."""
    ties = csr_matrix((scores.astype(np.float64), (things, candidates)), shape=shape)
    ties.sort_indices()
    return ties


class Everyone:
    """The same candidates for every query, best first."""

    def __init__(self, candidates: Ints, scores: Floats) -> None:
        order = np.lexsort((candidates, -scores))
        self._candidates, self._scores = candidates[order], scores[order]

    def find(self, block: Block, quota: int) -> Found:
        """Looks further down for those from whom the rules keep much, until each has its quota or the list ends."""
        depth, waiting, parts = 2 * quota, block.queries, []
        while len(waiting):
            candidates = self._candidates[:depth]
            found = Found(
                np.repeat(waiting, len(candidates)),
                np.tile(candidates, len(waiting)),
                np.tile(self._scores[:depth], len(waiting)),
            ).within(block, quota)
            counts = np.bincount(np.searchsorted(waiting, found.queries), minlength=len(waiting))
            short = waiting[counts < quota] if depth < len(self._candidates) else waiting[:0]
            parts.append(found.rows(np.flatnonzero(~np.isin(found.queries, short))))
            depth, waiting = 4 * depth, short
        return together(parts)


class Groups:
    """The same candidates for every query of a group, best first; queries of no group are proposed nothing."""

    def __init__(self, group_of: Ints, groups: Ints, candidates: Ints, scores: Floats) -> None:
        self._group_of = group_of
        order = np.lexsort((candidates, -scores, groups))
        self._groups, self._candidates, self._scores = groups[order], candidates[order], scores[order]

    def find(self, block: Block, quota: int) -> Found:
        groups = self._group_of[block.queries]
        parts = []
        for group in np.unique(groups[groups >= 0]).tolist():
            first, end = np.searchsorted(self._groups, [group, group + 1])
            of_group = Everyone(self._candidates[first:end], self._scores[first:end])
            parts.append(of_group.find(Block(block.queries[groups == group], block.barred), quota))
        return together(parts)
