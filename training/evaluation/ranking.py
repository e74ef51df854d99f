"""How well ranked lists name what was wanted: the lists out of scores, and the measures of a list, query by query.

Everything is arrays over many queries at once. A list is measured by where in it each relevant item stands, so one
search per pair serves every measure at every length. A measure is named with its length, such as `ndcg_at_20`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from daybreak.errors import InputError

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

NO_ITEM = -1
WIDE = (torch.float64, torch.int64, torch.int32)
"""What single precision would round."""
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


def top_k(scores: torch.Tensor, hidden: Sets, k: int) -> Ints:
    """The k items of the highest scores for each row, best first; equal scores go to the smaller item.

    Hidden items, and items of score minus infinity, are never named: where fewer than k remain, NO_ITEM follows.
    """
    scores = scores.detach().to(torch.float64 if scores.dtype in WIDE else torch.float32).contiguous()
    with _lowest(scores, hidden):
        bounds = _bounds(scores, k)
        if bool(bounds.isnan().any()):
            raise InputError("the scores of a ranking must be numbers, but NaN is among them: look for it in the model")
        return _best(scores.shape, *_at_least(scores, bounds), bounds.cpu().numpy(), k)


@contextlib.contextmanager
def _lowest(scores: torch.Tensor, hidden: Sets) -> Iterator[None]:
    """Gives hidden items the lowest score for the while, then their own again: a copy would cost as much as ranking."""
    rows, items = hidden.rows, hidden.items
    known = items < scores.shape[1]
    where = torch.from_numpy(rows[known]), torch.from_numpy(items[known])
    own = scores[where]
    scores[where] = -torch.inf
    try:
        yield
    finally:
        scores[where] = own


def _bounds(scores: torch.Tensor, k: int) -> torch.Tensor:
    """For each row a score that k items reach, not much below the k-th best: the k-th best of the maxima of parts.

    Looking for it among few maxima, and then only at the items that reach it, is what makes long catalogues cheap. It
    is NaN where there is a NaN in the row.
    """
    n_items = scores.shape[1]
    part = max(n_items // (2 * k), 1)
    whole = n_items - n_items % part
    maxima = torch.cat([scores[:, :whole].view(len(scores), part, -1).amax(dim=1), scores[:, whole:]], dim=1)
    best = torch.topk(maxima, min(k, maxima.shape[1]), dim=1).values
    return torch.where(best[:, 0].isnan(), best[:, 0], best[:, -1])


def _at_least(scores: torch.Tensor, bounds: torch.Tensor) -> tuple[Ints, npt.NDArray[np.floating]]:
    """Where in the flat scores those stand that reach the bound of their row, and what they are."""
    if scores.device.type == "cpu":  # numpy finds them in a quarter of torch's time
        flat = np.flatnonzero(scores.numpy() >= bounds.numpy()[:, None])
        return flat, scores.numpy().ravel()[flat]
    found = torch.nonzero((scores >= bounds[:, None]).flatten()).flatten()
    return found.cpu().numpy(), scores.flatten()[found].cpu().numpy()


def _best(
    shape: torch.Size, flat: Ints, values: npt.NDArray[np.floating], bounds: npt.NDArray[np.floating], k: int
) -> Ints:
    """The first k of each row by score and item, of candidates that stand in the order of the flat scores.

    Of those at the bound itself only the first k can be needed, so scores that are all equal make no long rows.
    """
    n_rows, n_items = shape
    starts = np.searchsorted(flat, np.arange(n_rows) * n_items)
    rows = np.repeat(np.arange(n_rows), np.diff(np.r_[starts, len(flat)]))
    level = values == bounds[rows]
    nth = np.cumsum(level)
    kept = (values > -np.inf) & (~level | (nth - (nth - level)[starts][rows] <= k))
    rows, items, values = rows[kept], (flat - rows * n_items)[kept], values[kept]
    counts = np.bincount(rows, minlength=n_rows)
    places = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
    width = max(k, int(counts.max(initial=0)))
    candidates = np.full((n_rows, width), NO_ITEM)
    candidates[rows, places] = items
    losses = np.full((n_rows, width), np.inf, dtype=values.dtype)
    losses[rows, places] = -values
    return np.take_along_axis(candidates, np.argsort(losses, axis=1, kind="stable")[:, :k], axis=1)


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
