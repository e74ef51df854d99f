"""How well rows are ordered within their groups, such as the impressions of one request: NDCG group by group."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daybreak.errors import InputError
from training.evaluation.ranking import Floats, Ints


@dataclass(frozen=True)
class GroupedNdcg:
    """The measure of each group that has something to find; groups in order."""

    groups: Ints
    values: Floats

    @property
    def mean(self) -> float:
        return float(self.values.mean())


def grouped_ndcg(groups: Ints, scores: npt.ArrayLike, gains: npt.ArrayLike, k: int) -> GroupedNdcg:
    """NDCG@k of the rows of each group by score, with the gains as they are; equal scores keep the order of the rows.

    A group without any gain is left out, for it can be neither right nor wrong.
    """
    scored, gained = np.asarray(scores, dtype=np.float64), np.asarray(gains, dtype=np.float64)
    _check(groups, scored, gained, k)
    names, starts, group_of_row = _grouped(groups)
    rank = np.arange(len(groups)) - starts[group_of_row]
    discount = np.where(rank < k, 1 / np.log2(rank + 2.0), 0.0)
    found = np.bincount(group_of_row, gained[np.lexsort((-scored, groups))] * discount)
    best = np.bincount(group_of_row, gained[np.lexsort((-gained, groups))] * discount)
    counted = best > 0
    if not counted.any():
        raise InputError(
            f"grouped NDCG needs a group with a positive gain, but none of {len(names)} has one: take more rows"
        )
    return GroupedNdcg(names[counted], found[counted] / best[counted])


def _grouped(groups: Ints) -> tuple[Ints, Ints, Ints]:
    """The groups, and of the rows ordered by group where each begins and which a row is of."""
    names, sizes = np.unique(groups, return_counts=True)
    return names, np.cumsum(sizes) - sizes, np.repeat(np.arange(len(names)), sizes)


def _check(groups: Ints, scores: Floats, gains: Floats, k: int) -> None:
    if not len(groups) == len(scores) == len(gains) or k < 1:
        raise InputError(
            "grouped NDCG needs a group, a score and a gain for each row and a length from 1, but there are "
            f"{len(groups)} groups, {len(scores)} scores, {len(gains)} gains and length {k}: use the same rows"
        )
    if np.isnan(scores).any() or not (np.isfinite(gains).all() and gains.min(initial=0) >= 0):
        raise InputError(
            "grouped NDCG needs scores that are numbers and gains of 0 and above, but there are others: "
            "look for NaN in the model and for negative labels"
        )
