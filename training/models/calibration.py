"""From what a head says to how likely it is: curves fitted on rows that the model did not learn from.

Three kinds are tried on one part of the rows and judged by log loss on the rest: the temperature (one factor), Platt's
(a factor and an offset on logits) and isotonic regression (any rising curve). The best is fitted anew on all of them.
Every curve rises strictly, so a head orders rows as before; where isotonic regression is flat, a slope too small to
matter keeps the order. Fitted with scikit-learn and scipy here, applied with plain numpy wherever scores are served.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from daybreak.errors import InputError
from daybreak.ranking.calibrator import Calibrator, Floats, Kind, sigmoid

KINDS: tuple[Kind, ...] = ("temperature", "platt", "isotonic")
SMALLEST_SLOPE = 1e-4
"""What a curve rises at least by, in logits a logit."""
EDGE = 1e-12
"""The least that is held likely where curves are judged."""
STEEPNESS = (-5.0, 3.0)
"""The logarithm of the slope that a line may have."""
JUDGED_SHARE = 0.5
KNOTS = 200


@dataclass(frozen=True)
class Choice:
    """The curve that was chosen, and the log loss of each kind on the rows that judged."""

    calibrator: Calibrator
    judged: dict[str, float]


def chosen(logits: npt.ArrayLike, labels: npt.ArrayLike, *, seed: int, head: str = "a head") -> Choice:
    """The kind of curve that says most on rows that it was not fitted on, fitted on all."""
    given, truth = _rows(logits, labels, head)
    places = np.random.default_rng([seed, len(given)]).permutation(len(given))
    fitting, judging = np.array_split(places, [round(len(given) * (1 - JUDGED_SHARE))])
    if len(np.unique(truth[fitting])) < 2 or len(np.unique(truth[judging])) < 2:
        return Choice(fitted("temperature", given, truth, head=head), {})
    judged: dict[str, float] = {
        kind: _log_loss(truth[judging], fitted(kind, given[fitting], truth[fitting], head=head)(given[judging]))
        for kind in KINDS
    }
    best = min(KINDS, key=lambda kind: judged[kind])
    return Choice(fitted(best, given, truth, head=head), judged)


def fitted(kind: Kind, logits: npt.ArrayLike, labels: npt.ArrayLike, *, head: str = "a head") -> Calibrator:
    """The curve of one kind that fits these rows best."""
    given, truth = _rows(logits, labels, head)
    if kind == "isotonic":
        return _isotonic(given, truth)
    slope, offset = _line(given, truth, with_offset=kind == "platt")
    return Calibrator(kind, slope, (0.0,), (offset,))


def _isotonic(logits: Floats, labels: Floats) -> Calibrator:
    """Isotonic regression, thinned to knots at the middle of each step and made to rise between them."""
    from sklearn.isotonic import IsotonicRegression

    order = np.argsort(logits, kind="stable")
    steps = IsotonicRegression().fit_transform(logits[order], labels[order])
    edges = np.flatnonzero(np.r_[True, np.diff(steps) > 0])
    sizes = np.diff(np.r_[edges, len(steps)])
    middles = np.add.reduceat(logits[order], edges) / sizes
    least = 0.5 / len(labels)  # half a row: what never happened here may happen
    rates = np.clip(steps[edges], least, 1 - least)
    kept = np.flatnonzero(np.r_[True, np.diff(middles) > SMALLEST_SLOPE])
    if len(kept) > KNOTS:
        kept = kept[np.linspace(0, len(kept) - 1, KNOTS).round().astype(int)]
    knots, values = middles[kept], np.log(rates[kept]) - np.log1p(-rates[kept])
    rising = np.maximum.accumulate(values - SMALLEST_SLOPE * knots) + SMALLEST_SLOPE * knots
    return Calibrator("isotonic", SMALLEST_SLOPE, tuple(knots.tolist()), tuple(rising.tolist()))


def _line(logits: Floats, labels: Floats, *, with_offset: bool) -> tuple[float, float]:
    """The rising line in logits that says most of the labels."""
    from scipy.optimize import minimize

    def loss(line: Floats) -> tuple[float, Floats]:
        slope, offset = np.exp(line[0]), line[1] if with_offset else 0.0
        said = slope * logits + offset
        wrong = sigmoid(said) - labels
        gradient = np.array([(wrong * slope * logits).mean(), wrong.mean() if with_offset else 0.0])
        return float((np.logaddexp(0.0, said) - labels * said).mean()), gradient

    found = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[STEEPNESS, (-20.0, 20.0)])
    return float(np.exp(found.x[0])), float(found.x[1]) if with_offset else 0.0


def _log_loss(labels: Floats, probabilities: Floats) -> float:
    likely = np.clip(probabilities, EDGE, 1 - EDGE)
    return float(-np.where(labels == 1, np.log(likely), np.log1p(-likely)).mean())


def _rows(logits: npt.ArrayLike, labels: npt.ArrayLike, head: str) -> tuple[Floats, Floats]:
    given, truth = np.asarray(logits, np.float64), np.asarray(labels, np.float64)
    if len(given) != len(truth) or not np.isfinite(given).all():
        raise InputError(
            f"calibrating {head} needs a finite logit for each label, found {len(given)} logits for {len(truth)} labels"
            f", {int((~np.isfinite(given)).sum())} of them NaN or infinite; look for them in the model"
        )
    if len(np.unique(truth)) < 2:
        found = f"all {len(truth)} are {truth[0]:g}" if len(truth) else "there are none"
        raise InputError(f"calibrating {head} needs rows with and without it, but {found}; take more days to validate")
    return given, truth
