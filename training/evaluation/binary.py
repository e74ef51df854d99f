"""How good probabilities of yes or no are: whether they order well (AUC), say enough (log loss, normalised cross
entropy, Brier) and mean what they say (calibration). Rows may be weighed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from daybreak.errors import InputError
from training.evaluation.ranking import Floats

BINS = 20
CLIP = float(np.finfo(np.float64).eps)
Bins = Literal["mass", "width"]


def auc(labels: npt.ArrayLike, scores: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float:
    """The chance that a row of yes scores above a row of no; equal scores count a half."""
    rows = _Rows.of(labels, scores, weights, "AUC").with_both_classes("AUC")
    _, groups = np.unique(rows.scores, return_inverse=True)
    yes = np.bincount(groups, rows.weights * rows.labels)
    no = np.bincount(groups, rows.weights * (1 - rows.labels))
    below = np.cumsum(no) - no
    return float(np.dot(yes, below + no / 2) / (yes.sum() * no.sum()))


def log_loss(labels: npt.ArrayLike, probabilities: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float:
    """The mean of -log of the probability given to what happened, in nats."""
    rows = _Rows.of(labels, probabilities, weights, "log loss").of_probabilities("log loss")
    likely = np.clip(rows.scores, CLIP, 1 - CLIP)
    losses = -np.where(rows.labels == 1, np.log(likely), np.log1p(-likely))
    return float(np.average(losses, weights=rows.weights))


def normalised_cross_entropy(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> float:
    """Log loss over that of always giving the base rate: below 1 is better than knowing nothing of the row."""
    name = "normalised cross entropy"
    rows = _Rows.of(labels, probabilities, weights, name).with_both_classes(name)
    rate = np.average(rows.labels, weights=rows.weights)
    entropy = -(rate * np.log(rate) + (1 - rate) * np.log1p(-rate))
    return float(log_loss(labels, probabilities, weights) / entropy)


def brier(labels: npt.ArrayLike, probabilities: npt.ArrayLike, weights: npt.ArrayLike | None = None) -> float:
    """The mean squared distance of the probability from what happened."""
    rows = _Rows.of(labels, probabilities, weights, "Brier score").of_probabilities("Brier score")
    return float(np.average((rows.scores - rows.labels) ** 2, weights=rows.weights))


@dataclass(frozen=True)
class Calibration:
    """Bins of rows by probability, from low to high: what was said on average, what happened, and the bin's weight."""

    said: Floats
    happened: Floats
    weights: Floats

    @property
    def error(self) -> float:
        """The expected calibration error: how far the two lie apart, over the bins by weight."""
        return float(np.average(np.abs(self.said - self.happened), weights=self.weights))


def calibration(
    labels: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    weights: npt.ArrayLike | None = None,
    bins: int = BINS,
    equal: Bins = "mass",
) -> Calibration:
    """The calibration curve over bins of equal mass or equal width, without those that stay empty.

    Equal probabilities are never parted, so the order of the rows does not matter.
    """
    rows = _Rows.of(labels, probabilities, weights, "calibration").of_probabilities("calibration")
    values, groups = np.unique(rows.scores, return_inverse=True)
    if equal == "mass":
        shares = np.bincount(groups, rows.weights) / rows.weights.sum()
        middles = np.cumsum(shares) - shares / 2
        bin_of_value = np.minimum((middles * bins).astype(np.int64), bins - 1)
    else:
        bin_of_value = np.minimum((values * bins).astype(np.int64), bins - 1)
    bin_of_row = bin_of_value[groups]
    mass = np.bincount(bin_of_row, rows.weights, minlength=bins)
    kept = mass > 0
    said = np.bincount(bin_of_row, rows.weights * rows.scores, minlength=bins)[kept] / mass[kept]
    happened = np.bincount(bin_of_row, rows.weights * rows.labels, minlength=bins)[kept] / mass[kept]
    return Calibration(said, happened, mass[kept].astype(np.float64))


def binary_metrics(
    labels: npt.ArrayLike, probabilities: npt.ArrayLike, weights: npt.ArrayLike | None = None
) -> dict[str, float]:
    """All of it by name."""
    return {
        "auc": auc(labels, probabilities, weights),
        "log_loss": log_loss(labels, probabilities, weights),
        "normalised_cross_entropy": normalised_cross_entropy(labels, probabilities, weights),
        "brier": brier(labels, probabilities, weights),
        "ece_equal_mass": calibration(labels, probabilities, weights, equal="mass").error,
        "ece_equal_width": calibration(labels, probabilities, weights, equal="width").error,
    }


@dataclass(frozen=True)
class _Rows:
    """Labels, scores and weights of the same rows, found fit to be measured."""

    labels: Floats
    scores: Floats
    weights: Floats

    @classmethod
    def of(cls, labels: npt.ArrayLike, scores: npt.ArrayLike, weights: npt.ArrayLike | None, measure: str) -> _Rows:
        truth, values = np.asarray(labels, dtype=np.float64), np.asarray(scores, dtype=np.float64)
        shares = np.ones(len(truth)) if weights is None else np.asarray(weights, dtype=np.float64)
        if not len(truth) == len(values) == len(shares) or not len(truth):
            raise InputError(
                f"{measure} needs a label, a score and a weight for each of at least one row, but there are "
                f"{len(truth)} labels, {len(values)} scores and {len(shares)} weights: take them from the same rows"
            )
        if not np.isin(truth, (0, 1)).all():
            raise InputError(f"{measure} needs labels of 0 and 1, but there are others: say what counts as a yes")
        if not np.isfinite(values).all():
            missing = int((~np.isfinite(values)).sum())
            raise InputError(
                f"{measure} needs scores that are finite numbers, but {missing} of {len(values)} are NaN or infinite: "
                "look for them in the model"
            )
        if not (np.isfinite(shares).all() and shares.min() >= 0 and shares.sum() > 0):
            raise InputError(f"{measure} needs weights of 0 and above, some of them above: look at the weights")
        return cls(truth, values, shares)

    def with_both_classes(self, measure: str) -> _Rows:
        yes = float(np.dot(self.labels, self.weights))
        no = float(np.dot(1 - self.labels, self.weights))
        if not yes or not no:
            raise InputError(
                f"{measure} is undefined: it needs labels of both 0 and 1, but all {len(self.labels)} rows are "
                f"{int(yes > 0)}: take more rows"
            )
        return self

    def of_probabilities(self, measure: str) -> _Rows:
        if self.scores.min() < 0 or self.scores.max() > 1:
            raise InputError(
                f"{measure} needs probabilities from 0 to 1, but they run from {self.scores.min():g} to "
                f"{self.scores.max():g}: pass them through a sigmoid first"
            )
        return self
