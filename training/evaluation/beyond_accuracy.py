"""What lists are like whether or not they hit: how much of the catalogue they show, how unevenly, how obvious the items
are, and how alike those of one list are."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from daybreak.errors import InputError
from training.evaluation.full_catalogue import RankingEvaluation
from training.evaluation.ranking import NO_ITEM, Floats, Ints

LISTS_AT_ONCE = 4_096


def coverage(exposures: Ints) -> float:
    """The share of the catalogue that some list shows."""
    return float((exposures > 0).mean())


def gini(exposures: Ints) -> float:
    """How unevenly lists show the catalogue: 0 if every item as often, towards 1 if one item alone."""
    ordered = np.sort(exposures)
    total, n = ordered.sum(), len(ordered)
    if not total:
        return 0.0
    return float(2 * np.dot(np.arange(1, n + 1), ordered / total) / n - (n + 1) / n)


def novelty(exposures: Ints, popularity: Floats) -> float:
    """The bits of surprise of an item shown, on average: -log2 of its share of all interest, each item given one more,
    so that one nobody wanted yet is surprising and not infinitely so."""
    if len(exposures) != len(popularity):
        raise InputError(
            f"novelty needs the popularity of each of {len(exposures)} items, but has that of {len(popularity)}: "
            "count interest over the catalogue that was ranked"
        )
    surprise = -np.log2((popularity + 1) / (popularity.sum() + len(popularity)))
    return float(np.dot(surprise, exposures) / max(exposures.sum(), 1))


def diversity(lists: Ints, vectors: npt.NDArray[np.floating]) -> float:
    """1 less the mean cosine of two items of one list, on average over the lists of at least two.

    Over a list the cosines of all pairs add up to the squared length of the sum of its unit vectors, less one for each.
    """
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    units = vectors / np.where(lengths > 0, lengths, 1)
    total, counted = 0.0, 0
    for start in range(0, len(lists), LISTS_AT_ONCE):
        part = lists[start : start + LISTS_AT_ONCE]
        items = units[part] * (part != NO_ITEM)[:, :, None]
        sizes = (part != NO_ITEM).sum(axis=1)
        alike = (items.sum(axis=1) ** 2).sum(axis=1) - (items**2).sum(axis=(1, 2))
        pairs = sizes * (sizes - 1)
        total += float((1 - alike[pairs > 0] / pairs[pairs > 0]).sum())
        counted += int((pairs > 0).sum())
    return total / counted if counted else 0.0


def beyond_accuracy(
    evaluation: RankingEvaluation, popularity: Floats, vectors: npt.NDArray[np.floating] | None = None
) -> dict[str, float]:
    """All of it by name, at each length; diversity at the smallest, where items have vectors."""
    measures: dict[str, float] = {}
    for k, exposures in evaluation.exposures.items():
        measures[f"coverage_at_{k}"] = coverage(exposures)
        measures[f"gini_at_{k}"] = gini(exposures)
        measures[f"novelty_at_{k}"] = novelty(exposures, popularity)
    if vectors is not None:
        measures[f"diversity_at_{evaluation.ks[0]}"] = diversity(evaluation.lists, vectors)
    return measures
