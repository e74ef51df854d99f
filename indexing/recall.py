"""How much of what is truly nearest an index finds, and of whom that is asked."""

from __future__ import annotations

import numpy as np

from indexing.arrays import NOWHERE, Ints


def recall(found: Ints, truth: Ints, counted: Ints | None = None) -> float:
    """The share of the true rows that were found, over all queries; of `counted` rows alone where they are given. 1
    where there is nothing to find."""
    wanted = truth != NOWHERE
    if counted is not None:
        wanted &= np.isin(truth, counted)
    if not wanted.any():
        return 1.0
    base = max(int(truth.max(initial=0)), int(found.max(initial=0))) + 2
    lines = np.arange(len(truth))[:, None] * base
    hits = np.isin(lines + truth, (lines + found)[found != NOWHERE])
    return float((hits & wanted).sum() / wanted.sum())


def sample(rows: int, wanted: int, seed: int, number: int = 0) -> Ints:
    """Rows drawn without chance; samples of other numbers share none with it, as far as there are enough."""
    order = np.random.default_rng(seed).permutation(rows)
    start = min(number * wanted, max(rows - wanted, 0))
    return np.sort(order[start : start + wanted])
