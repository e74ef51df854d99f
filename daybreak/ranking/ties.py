"""Who is likely to be tied to whom next: measures of two people, weighed as earlier nights teach.

Each measure is a number that is 0 where nothing is told and grows the slower the larger it is. What two people measure,
weighed and added up, is a logit among the candidates of one user: of these, who is next. Numpy alone, so that the night
that learns and the night that lists measure alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Measure:
    """One thing that is measured of two people, or of the second alone. A value counts by its logarithm, in which
    `least` tells next to nothing from something; where there is none the value counts as it is. `prior` is what it
    weighs before anything is learned."""

    name: str
    says: str
    least: float | None = None
    prior: float = 0.0


PAIR_MEASURES = (
    Measure("pagerank", "how near the candidate is over recent ties", 1e-5, 0.5),
    Measure("common", "friends in common", 0.1),
    Measure("adamic_adar", "friends in common, who know few counting more", 0.1),
    Measure("allocation", "the same, dealt out by each", 1e-3, 0.5),
    Measure("follow_pmi", "how alike those are whom the two follow"),
    Measure("follows", "the candidate follows the user", prior=1.0),
    Measure("contact", "the user has the candidate among the contacts", prior=1.0),
)
LISTED = Measure("listed", "how high the model of people lists the candidate", prior=0.5)
SHARED = (
    Measure("school", "same school", prior=0.5),
    Measure("company", "same company", prior=0.5),
    Measure("country", "same country", prior=0.5),
)
LIVELY_MEASURES = (
    Measure("ties", "ties of the candidate", 0.1),
    Measure("lately", "ties of the candidate, old ones counting less", 0.1),
    Measure("these_days", "the same, and less still", 0.1),
    Measure("just_now", "the same, only the newest", 0.1),
)
MEASURES = (*PAIR_MEASURES, LISTED, *SHARED, *LIVELY_MEASURES)
NAMES = tuple(measure.name for measure in MEASURES)
PRIOR = np.array([measure.prior for measure in MEASURES])
LISTED_OFFSET = 20.0


def listed(ranks: Ints) -> Floats:
    """How high somebody is listed, from 1 at the top; 0 where the rank is below 0."""
    return np.where(ranks >= 0, LISTED_OFFSET / (LISTED_OFFSET + np.maximum(ranks, 0)), 0.0)


def measured(values: Mapping[str, NDArray[np.generic]]) -> Floats:
    """Every measure of each pair, a row a pair, on the scale on which it is weighed."""
    columns = []
    for measure in MEASURES:
        told = values[measure.name].astype(np.float64)
        columns.append(np.log1p(told / measure.least) if measure.least else told)
    return np.stack(columns, axis=1)


def chances(logits: Floats, starts: Ints) -> Floats:
    """Of the candidates of each user, who is next: each user's begin at one of `starts`, and their chances add up to
    1."""
    if not len(logits):
        return logits
    sizes = np.diff(starts, append=len(logits))
    rising = np.exp(logits - np.repeat(np.maximum.reduceat(logits, starts), sizes))
    return np.asarray(rising / np.repeat(np.add.reduceat(rising, starts), sizes))
