"""The lists out of scores: for each query the best items of the whole catalogue, exactly, ties and all.

Sorting a catalogue for its first hundred costs most of an evaluation. So items are gathered in groups, the k-th best of
the groups' maxima bounds what a list can hold from below, and only groups that reach the bound are looked into.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator

import numpy as np

from daybreak.errors import InputError
from training.evaluation.ranking import NO_ITEM, Ints, Scores, Sets

NOTHING = np.iinfo(np.int64).max
"""The key of no candidate, which sorts last."""
LOWER_HALF = (1 << 32) - 1
LEAST = np.finfo(np.float32).min


def top_k(scores: Scores, hidden: Sets, k: int) -> Ints:
    """The k items of the highest scores for each row, best first; equal scores go to the smaller item.

    Hidden items, and items of score minus infinity, are never named: where fewer than k remain, NO_ITEM follows. The
    scores are changed meanwhile, and are as they were afterwards.
    """
    scores = np.ascontiguousarray(scores, np.float32)
    with _lowest(scores, hidden):
        maxima = _maxima(scores, k)
        if np.isnan(maxima).any():
            raise InputError("the scores of a ranking must be numbers, but NaN is among them: look for it in the model")
        return _in_order(scores.shape, *_reaching(scores, maxima, _bounds(maxima, k)), k)


@contextlib.contextmanager
def _lowest(scores: Scores, hidden: Sets) -> Iterator[None]:
    """Gives hidden items the lowest score for the while, then their own again: a copy would cost as much as ranking."""
    known = hidden.items < scores.shape[1]
    where = hidden.rows[known] * scores.shape[1] + hidden.items[known]
    flat = scores.reshape(-1)
    own = flat[where]
    flat[where] = -np.inf
    try:
        yield
    finally:
        flat[where] = own


def _maxima(scores: Scores, k: int) -> Scores:
    """The best score of each group of items, where item i is in group i modulo the number of groups.

    Groups and their sizes are balanced, so that the few groups that matter hold few items.
    """
    n_rows, n_items = scores.shape
    size = max(math.isqrt(n_items // (2 * k)), 1)
    n_groups = n_items // size
    whole = n_groups * size
    maxima: Scores = scores[:, :whole].reshape(n_rows, size, n_groups).max(axis=1)
    np.maximum(maxima[:, : n_items - whole], scores[:, whole:], out=maxima[:, : n_items - whole])
    return maxima


def _bounds(maxima: Scores, k: int) -> Scores:
    """For each row a score that k items reach, not much below the k-th best: the k-th best of groups of groups, or the
    least that counts as a score."""
    fewer = _maxima(maxima, k)
    first = max(fewer.shape[1] - k, 0)
    return np.maximum(np.partition(fewer, first, axis=1)[:, first], LEAST)


def _reaching(scores: Scores, maxima: Scores, bounds: Scores) -> tuple[Ints, Scores]:
    """Where in the flat scores those stand that reach the bound of their row, row by row, and what they are."""
    n_items, n_groups = scores.shape[1], maxima.shape[1]
    rows, groups = np.divmod(np.flatnonzero(maxima >= bounds[:, None]), n_groups)
    steps = np.arange(0, n_items, n_groups)
    flat = (rows * n_items + groups)[:, None] + steps
    values = scores.reshape(-1).take(flat, mode="clip")
    values[groups + steps[-1] >= n_items, -1] = -np.inf  # beyond the row
    found = np.flatnonzero(values >= bounds[rows][:, None])
    return flat.reshape(-1)[found], values.reshape(-1)[found]


def _in_order(shape: tuple[int, ...], flat: Ints, values: Scores, k: int) -> Ints:
    """The first k of each row, of candidates that stand row by row: sorted by keys that hold score and item."""
    n_rows, n_items = shape
    rows = flat // n_items
    counts = np.bincount(rows, minlength=n_rows)
    keys = np.full((n_rows, max(k, int(counts.max(initial=0)))), NOTHING)
    keys[rows, np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)] = _keys(values, flat % n_items)
    keys.sort(axis=1)
    first = keys[:, :k]
    return np.where(first == NOTHING, NO_ITEM, first & LOWER_HALF)


def _keys(values: Scores, items: Ints) -> Ints:
    """Whole numbers whose order is that of the scores, best first, and of the items among equals.

    The bits of floats of one sign are in order as they are; those of the negative ones are turned round.
    """
    bits = (values + np.float32(0)).view(np.int32)  # what is added makes one zero of the two
    ascending = bits ^ ((bits >> 31) & np.int32(np.iinfo(np.int32).max))
    return (~ascending).astype(np.int64) << 32 | items
