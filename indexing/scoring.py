"""Exact scores of what was found: the product of two vectors, the same however much is asked at once.

Score and row of an entry stand together in one whole number, whose order is that of the scores, best first, and of the
rows among equals: sorting such keys is the quickest way to a list.
"""

from __future__ import annotations

import numpy as np

from indexing.arrays import NOWHERE, Doubles, Floats, Ints
from indexing.first_pass import turned

NOTHING = np.iinfo(np.int64).max
"""The key of no row, which sorts last."""
LOWER_HALF = (1 << 32) - 1
PAIRS = 2_048
"""Pairs that are scored at once: their vectors stay in the processor's nearest caches."""


def keyed(scores: Doubles, rows: Ints) -> Ints:
    """The keys of entries: scores, rounded to float32, and rows."""
    bits = turned((scores.astype(np.float32) + np.float32(0)).view(np.int32))  # one zero of the two
    return (~bits).astype(np.int64) << 32 | rows


def unkeyed(keys: Ints) -> tuple[Ints, Floats]:
    """The rows and scores of keys; NOWHERE, of score minus infinity, where there is none."""
    scores = turned((~(keys >> 32)).astype(np.int32)).view(np.float32)
    nothing = keys == NOTHING
    return np.where(nothing, NOWHERE, keys & LOWER_HALF), np.where(nothing, np.float32(-np.inf), scores)


def best_of(queries: Floats, vectors: Floats, candidates: Ints, k: int) -> tuple[Ints, Floats]:
    """The k best of each query's candidate rows, by their exact scores, equals by row; NOWHERE is no candidate."""
    keys = np.full((len(queries), max(candidates.shape[1], k)), NOTHING)
    exact, size = queries.astype(np.float64), max(PAIRS // max(candidates.shape[1], 1), 1)
    for start in range(0, len(queries), size):
        some = candidates[start : start + size]
        chosen = (
            vectors.take(np.maximum(some, 0).ravel(), axis=0).astype(np.float64).reshape(*some.shape, vectors.shape[1])
        )
        products = np.vecdot(chosen, exact[start : start + size, None])
        keys[start : start + size, : some.shape[1]] = np.where(some == NOWHERE, NOTHING, keyed(products, some))
    if keys.shape[1] > k:
        keys.partition(k - 1, axis=1)
    return unkeyed(np.sort(keys[:, :k], axis=1))


def in_order(rows: Ints, scores: Floats, k: int, ranks: Ints) -> tuple[Ints, Floats]:
    """The first k of each line, best first, equals by the rank of their rows."""
    order = np.lexsort((ranks[rows], -scores), axis=1)[:, :k]
    return np.take_along_axis(rows, order, 1), np.take_along_axis(scores, order, 1)


def without(rows: Ints, scores: Floats, own: Ints, k: int) -> tuple[Ints, Floats]:
    """The first k of each line that are not its own row."""
    kept = np.where(rows == own[:, None], -np.inf, scores).astype(np.float32)
    order = np.argsort(-kept, axis=1, kind="stable")[:, :k]
    rows = np.where(rows == own[:, None], NOWHERE, rows)
    return np.take_along_axis(rows, order, 1), np.take_along_axis(kept, order, 1)
