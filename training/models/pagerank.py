"""Personalised PageRank over recent ties: the bar for a model of people.

A walk that starts at a user, follows ties, recent ones more often, and now and then starts anew.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import csr_matrix, diags

from training.data.histories import Histories
from training.data.ids import Ints
from training.models.spectrum import Matrix

STEPS = 10


class RecentPageRank:
    """How often the walk of each user is at every other."""

    def __init__(self, histories: Histories, half_life_days: float = 7.0, anew: float = 0.3) -> None:
        ties = histories.matrix((0.5 ** (histories.ages / half_life_days)).astype(np.float32))
        sums = np.asarray(ties.sum(axis=1)).ravel()
        self._onwards = csr_matrix((diags(1 / np.maximum(sums, 1e-12)) @ ties).T, dtype=np.float32)
        self._anew = np.float32(anew)

    def for_users(self, rows: Ints) -> Matrix:
        """For each of these users a score for every other."""
        start = np.zeros((self._onwards.shape[0], len(rows)), np.float32)
        start[rows, np.arange(len(rows))] = 1
        at = start
        for _ in range(STEPS):
            at = self._anew * start + (1 - self._anew) * (self._onwards @ at)
        return np.ascontiguousarray(at.T, np.float32)

    def for_items(self, rows: Ints) -> Matrix:
        """The same: those asked beside are users too."""
        return self.for_users(rows)
