"""What measures of two people weigh: most likely, given which of the candidates of a user the user was then tied to.

A conditional logit: each user's new ties, among all candidates that the user had, users counting alike. Weights start
from those that measures have before anything is learned, and leave them as far as so many users as `prior_worth` would
have to be convinced.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize

from daybreak.ranking.ties import PRIOR, Floats, chances
from training.data.tie_lessons import Lesson

DIGITS = 4
LEAST_CHANCE = 1e-12


def learned(lessons: Sequence[Lesson], prior_worth: float) -> Floats:
    """The weights that these lessons teach."""
    lessons = [lesson for lesson in lessons if lesson.users]
    if not lessons:
        return PRIOR.copy()
    shares = [_shares(lesson) for lesson in lessons]

    def surprise(weights: Floats) -> tuple[float, Floats]:
        away = weights - PRIOR
        total, slope = prior_worth * float(away @ away), 2 * prior_worth * away
        for lesson, share in zip(lessons, shares, strict=True):
            foreseen = chances(lesson.measures @ weights, lesson.starts)
            total -= float(share @ np.log(np.maximum(foreseen, LEAST_CHANCE)))
            slope = slope + (foreseen - share) @ lesson.measures
        return total, slope

    found = minimize(surprise, PRIOR.copy(), jac=True, method="L-BFGS-B")
    return np.round(found.x, DIGITS)


def _shares(lesson: Lesson) -> Floats:
    """How much each candidate counts: a user's new ties share one."""
    tied = lesson.tied.astype(np.float64)
    sizes = np.diff(lesson.starts, append=len(tied))
    return tied / np.repeat(np.add.reduceat(tied, lesson.starts), sizes)
