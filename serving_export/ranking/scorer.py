"""What candidates are worth: the champion ranker's chances of each outcome, weighed as the surface weighs them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from daybreak.ranking.fitted_ranker import FittedRanker
from serving_export.arrays import Floats, Ints
from serving_export.merge import Merged
from serving_export.ranking.features import NightFeatures

ROWS_AT_ONCE = 8_192
DIGITS = 6
"""Worth is told in so many digits, so that a last bit that hangs on what else is scored with it makes no order."""


@dataclass(frozen=True)
class Scorer:
    """A ranker over the features of a night."""

    ranker: FittedRanker
    features: NightFeatures
    utility: Mapping[str, float]

    def chances(self, users: Ints, items: Ints) -> dict[str, Floats]:
        """How likely each outcome is, for each pair."""
        parts = [
            self.ranker.of_encoded(
                self.features.rows(users[start : start + ROWS_AT_ONCE], items[start : start + ROWS_AT_ONCE])
            )
            for start in range(0, len(users), ROWS_AT_ONCE)
        ]
        logits = np.concatenate([np.zeros((0, len(self.ranker.heads)), np.float32), *parts])
        return {head: self.ranker.calibrators[head](logits[:, at]) for at, head in enumerate(self.ranker.heads)}

    def worth(self, merged: Merged) -> Floats:
        """The chances added up by what each outcome is worth, for each candidate."""
        chances = self.chances(merged.queries, merged.candidates)
        total = np.zeros(len(merged.queries))
        for head, value in self.utility.items():
            total += value * chances[head]
        return total


def significant(values: Floats) -> Floats:
    """Values rounded to a few significant digits."""
    magnitude = np.power(10.0, DIGITS - 1 - np.floor(np.log10(np.maximum(np.abs(values), 1e-300))))
    return np.where(values == 0, 0.0, np.round(values * magnitude) / magnitude)
