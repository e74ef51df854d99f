"""How much each feature tells of the outcome all by itself: one that tells nearly all has most likely seen it.

For numbers and moments this is the area under the ROC curve of the values as they are, those that are not known below
all others; for words it is that of the share of outcomes of each word, learned from half of the rows and tried on the
other half. 0.5 tells nothing and 1 everything, in either direction. Lists and vectors are not scored.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Floats = npt.NDArray[np.float64]
Truths = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class FeatureScore:
    """A feature and how well it alone tells the outcome apart; None where that cannot be said."""

    feature: str
    auc: float | None


def scores_of(rows: pa.Table, features: list[str], label: str) -> list[FeatureScore]:
    """Every feature, the most telling first."""
    outcomes = np.asarray(rows.column(label).to_numpy(), dtype=np.bool_)
    scores = [FeatureScore(name, _auc_of(rows.column(name), outcomes)) for name in features]
    return sorted(scores, key=lambda each: (-(each.auc or 0.0), each.feature))


def _auc_of(values: pa.ChunkedArray, outcomes: Truths) -> float | None:
    kind = values.type
    if pa.types.is_list(kind):
        return None
    if pa.types.is_string(kind):
        scores, outcomes = _held_out_rates(values, outcomes)
    elif pa.types.is_timestamp(kind):
        scores = _numbers(values.cast(pa.int64()))
    else:
        scores = _numbers(values)
    area = auc(scores, outcomes)
    return None if area is None else max(area, 1 - area)


def _numbers(values: pa.ChunkedArray) -> Floats:
    known = values.cast(pa.float64(), safe=False)
    return np.asarray(pc.fill_null(known, float("-inf")).to_numpy(), dtype=np.float64)


def _held_out_rates(values: pa.ChunkedArray, outcomes: Truths) -> tuple[Floats, Truths]:
    """For every second row, the share of outcomes that its word had in the others; a new word has the share of all."""
    words: npt.NDArray[Any] = values.dictionary_encode().combine_chunks().indices.fill_null(-1).to_numpy() + 1
    learn = np.arange(len(words)) % 2 == 0
    size = int(words.max(initial=0)) + 1
    seen = np.bincount(words[learn], minlength=size)
    hits = np.bincount(words[learn], weights=outcomes[learn], minlength=size)
    overall = outcomes[learn].mean() if learn.any() else 0.0
    rates = (hits + overall) / (seen + 1)
    return rates[words[~learn]], outcomes[~learn]


def auc(scores: Floats, outcomes: Truths) -> float | None:
    """The chance that a row with the outcome has a higher score than one without; equal scores count half."""
    hits = int(outcomes.sum())
    misses = len(outcomes) - hits
    if not hits or not misses:
        return None
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    last = np.cumsum(count)
    ranks = (last - (count - 1) / 2)[place]
    return float((ranks[outcomes].sum() - hits * (hits + 1) / 2) / (hits * misses))
