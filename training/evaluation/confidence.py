"""How sure a mean over queries is: bootstrap intervals, and what they let us say of two models on the same queries.

Queries are drawn again with replacement; one drawing serves all measures of the same queries. Seeded, so that the same
evaluation gives the same interval.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from daybreak.errors import InputError
from training.evaluation.ranking import Floats

DRAWS = 1_000
LEVEL = 0.95
COUNTS_AT_ONCE = 2_000_000


@dataclass(frozen=True)
class Interval:
    """A mean, and where it would lie in 95 of 100 evaluations like this one."""

    mean: float
    low: float
    high: float


def intervals(values: Mapping[str, Floats], seed: int, draws: int = DRAWS, level: float = LEVEL) -> dict[str, Interval]:
    """The interval of the mean of each measure; all measure the same queries, in the same order."""
    table = np.stack([np.asarray(column, dtype=np.float64) for column in values.values()], axis=1)
    if not len(table) or np.isnan(table).any():
        raise InputError(
            f"an interval needs a measured value of at least one query, but of {len(table)} queries "
            f"{int(np.isnan(table).any(axis=1).sum())} have NaN: leave those out that cannot be measured"
        )
    means = _drawn_means(table, np.random.default_rng(seed), draws)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2], axis=0)
    return {name: Interval(float(table[:, n].mean()), float(low[n]), float(high[n])) for n, name in enumerate(values)}


def interval(values: Floats, seed: int, draws: int = DRAWS, level: float = LEVEL) -> Interval:
    """The interval of the mean of one measure."""
    return intervals({"mean": values}, seed, draws, level)["mean"]


def difference(ours: Floats, theirs: Floats, seed: int, draws: int = DRAWS, level: float = LEVEL) -> Interval:
    """How much higher our mean is than theirs. Values of one query stand at the same place in both, so what makes a
    query hard for both does not blur the difference."""
    if len(ours) != len(theirs):
        raise InputError(
            f"a paired difference needs the same queries on both sides, but there are {len(ours)} and {len(theirs)}: "
            "evaluate both models on the same queries"
        )
    return interval(ours - theirs, seed, draws, level)


def beats(gain: Interval) -> bool:
    """Whether a difference is above zero beyond doubt."""
    return gain.low > 0


def not_worse(gain: Interval, margin: float) -> bool:
    """Whether a difference is beyond doubt no lower than `margin` below zero."""
    return gain.low >= -margin


def _drawn_means(table: Floats, chance: np.random.Generator, draws: int) -> Floats:
    """The means of each draw: how often each query was drawn, times its values. A bounded number of draws at once."""
    n = len(table)
    at_once = max(1, COUNTS_AT_ONCE // n)
    means = []
    for start in range(0, draws, at_once):
        rows = min(at_once, draws - start)
        drawn = chance.integers(0, n, size=(rows, n)) + np.arange(rows)[:, None] * n
        counts = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)
        means.append(counts @ table / n)
    return np.concatenate(means)
