"""What measures of two people weigh: most likely, given which of the candidates of a user the user was then tied to.

A conditional logit: each user's new ties, among all candidates that the user had, users counting alike. Weights start
from those that measures have before anything is learned, and leave them as far as so many users as `prior_worth` would
have to be convinced.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

from daybreak.ranking.ties import PRIOR, chances

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
DIGITS = 4
LEAST_CHANCE = 1e-12


@dataclass(frozen=True)
class Lesson:
    """Candidates that users had, measured, a row each: those of a user begin at one of `starts`, and `tied` are those
    to whom the user was then tied. Every user has one at least."""

    measures: Floats
    starts: Ints
    tied: NDArray[np.bool_]

    @classmethod
    def of(cls, users: Ints, measures: Floats, tied: NDArray[np.bool_]) -> Lesson:
        """From the candidates of users, in their order; of users who were tied to none of them nothing is learned."""
        teaching = np.isin(users, users[tied])
        users, measures, tied = users[teaching], measures[teaching], tied[teaching]
        return cls(measures, np.flatnonzero(np.diff(users, prepend=-1)), tied)

    @property
    def users(self) -> int:
        return len(self.starts)


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
