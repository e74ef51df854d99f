"""The best rows for each query, by inner product and exactly: a few questions at once, or whole populations of them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property

import numpy as np
import torch

from daybreak.errors import InputError
from indexing.arrays import NOWHERE, Floats, Ints
from indexing.block_search import BlockSearch
from indexing.first_pass import TINY, Catalogue, largest
from indexing.scoring import best_of

FEW = 16
"""So few queries are not worth preparing the rows for."""
SUMMED = 2.0**-23
"""What one addition in float32 gets wrong, and more, as a share."""


class Exact:
    """Vectors that are searched exactly. What must be known of all of them is found out once, so a question costs one
    look at each, however often one is asked; and what was prepared for many questions is kept for as many again."""

    def __init__(self, vectors: Floats) -> None:
        self.vectors: Floats = np.ascontiguousarray(vectors, np.float32)
        self._kept: dict[tuple[int, int, str], BlockSearch] = {}

    @cached_property
    def largest(self) -> float:
        """The largest size of a number."""
        return largest(self.vectors)

    @cached_property
    def longest(self) -> float:
        """The length of the longest vector."""
        squares = np.einsum("ij,ij->i", self.vectors, self.vectors, dtype=np.float64)
        return float(np.sqrt(squares.max(initial=0)))

    def top_k(
        self,
        queries: Floats,
        k: int,
        *,
        hidden: Ints | None = None,
        own: Ints | None = None,
        memory_bytes: int = 256 << 20,
        device: str = "cpu",
    ) -> tuple[Ints, Floats]:
        """Rows [queries, k], best first, and their scores; equal scores go to the smaller row.

        No query is given a row of `hidden`, nor its own in `own` (-1 for none). Where fewer than k remain, NOWHERE
        follows, of score minus infinity. A score is the dot product in float64, rounded to float32: that of a pair
        alone, so lists of shards, merged, are those of the whole. `memory_bytes` is for scores and candidates; a copy
        of the vectors, half as large, and one as large where float32 is needed, come on top. On a `device` other than
        "cpu" torch makes the first pass.
        """
        queries = np.ascontiguousarray(queries, np.float32)
        hidden = np.empty(0, np.int64) if hidden is None else np.asarray(hidden, np.int64)
        own = np.full(len(queries), NOWHERE) if own is None else np.asarray(own, np.int64)
        self._check(queries, k, hidden, own)
        if len(queries) <= FEW:
            return self._of_few(queries, k, hidden, own)
        return self._of_many(queries, k, hidden, own, memory_bytes, device)

    def _of_many(
        self, queries: Floats, k: int, hidden: Ints, own: Ints, memory_bytes: int, device: str
    ) -> tuple[Ints, Floats]:
        threads = torch.get_num_threads() if device == "cpu" else 1
        search = self._prepared(k, hidden, memory_bytes // threads, device)
        rows, scores = np.empty((len(queries), k), np.int64), np.empty((len(queries), k), np.float32)

        def find(start: int) -> None:
            block = slice(start, start + search.users)
            rows[block], scores[block] = search.find(queries[block], own[block])

        _each(find, range(0, len(queries), search.users), threads)
        return rows, scores

    def _prepared(self, k: int, hidden: Ints, memory_bytes: int, device: str) -> BlockSearch:
        """The search of the rows that are not hidden; where none is, it is kept for the next block of queries."""
        asked = k, memory_bytes, device
        if len(hidden):
            return BlockSearch(Catalogue(self.vectors, hidden), *asked)
        kept = self._kept.get(asked)
        if kept is None:
            kept = BlockSearch(Catalogue(self.vectors, hidden), *asked)
            self._kept = {asked: kept}
        return kept

    def _check(self, queries: Floats, k: int, hidden: Ints, own: Ints) -> None:
        if k < 1:
            raise InputError(f"each query is to be given {k} rows, but a list holds one at least: ask for 1 or more")
        shapes = queries.shape, self.vectors.shape
        if any(len(shape) != 2 for shape in shapes) or shapes[0][1] != shapes[1][1] or not shapes[0][1]:
            raise InputError(
                f"queries of shape {shapes[0]} cannot be multiplied with vectors of shape {shapes[1]}: "
                "give two tables of equally many dimensions, from one model"
            )
        most = (largest(queries), self.largest)
        for name, value in zip(("queries", "vectors"), most, strict=True):
            if not np.isfinite(value):
                raise InputError(f"{name} must be numbers, but NaN or infinity is among them: look for it in the model")
        if shapes[1][1] * most[0] * most[1] > float(np.finfo(np.float32).max):
            raise InputError(
                f"queries up to {most[0]:.1e} and vectors up to {most[1]:.1e} have products beyond float32:"
                " scale them down"
            )
        if len(own) != len(queries) or any(
            each.size and not (least <= each.min() and each.max() < len(self.vectors))
            for each, least in ((hidden, 0), (own, NOWHERE))
        ):
            raise InputError(
                f"rows to be left out are not among the {len(self.vectors)} vectors, or not one for each of"
                f" {len(queries)} queries: give rows from 0 on, and for a query without its own {NOWHERE}"
            )

    def _of_few(self, queries: Floats, k: int, hidden: Ints, own: Ints) -> tuple[Ints, Floats]:
        """By products in float32 with all rows as they lie, of which those near the k-th best are scored again."""
        rows, scores = np.full((len(queries), k), NOWHERE), np.full((len(queries), k), -np.inf, np.float32)
        if not len(self.vectors):
            return rows, scores
        lengths = np.linalg.norm(queries.astype(np.float64), axis=1)
        margins = 2 * self.vectors.shape[1] * (SUMMED * lengths * self.longest + TINY)
        for query, firsts in enumerate(queries @ self.vectors.T):
            firsts[hidden] = -np.inf
            if own[query] != NOWHERE:
                firsts[own[query]] = -np.inf
            at = max(len(firsts) - k, 0)
            least = float(np.partition(firsts, at)[at]) - 2 * margins[query]
            near = np.flatnonzero((firsts >= least) & (firsts > -np.inf))
            best = best_of(queries[query : query + 1], self.vectors, near[None, :], k)
            rows[query], scores[query] = best[0][0], best[1][0]
        return rows, scores


def _each(task: Callable[[int], None], starts: range, threads: int) -> None:
    """Every block, as many at once as torch may use threads; each then multiplies on one of its own."""
    if threads == 1 or len(starts) < 2:
        for start in starts:
            task(start)
        return
    torch.set_num_threads(1)
    try:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(task, starts))
    finally:
        torch.set_num_threads(threads)
