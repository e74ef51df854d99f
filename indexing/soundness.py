"""Whether vectors are worth indexing at all: their lengths, whether they fill their space, and how far they moved."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from indexing.scoring import Floats

Doubles = npt.NDArray[np.float64]
LOOKED_AT = 20_000
"""Vectors that are looked at, at most, evenly over all."""


@dataclass(frozen=True)
class Shape:
    """What a set of vectors looks like. `rank` is how many directions they fill: e to the entropy of their spectrum."""

    usual: float
    longest: float
    rank: float


def shape_of(vectors: Floats) -> Shape:
    """The shape of vectors, without their bias. Vectors that lie at one point fill as little as those on a line."""
    plain = _some(vectors)[:, :-1].astype(np.float64)
    lengths = np.linalg.norm(plain, axis=1)
    usual, longest = (float(np.quantile(lengths, share)) for share in (0.5, 1.0))
    return Shape(usual, longest, min(effective_rank(plain), effective_rank(plain - plain.mean(axis=0))))


def effective_rank(vectors: Doubles) -> float:
    """How many directions vectors fill, after Roy and Vetterli (2007): 1 where all lie on a line."""
    strengths = np.sqrt(np.maximum(np.linalg.eigvalsh(vectors.T @ vectors), 0))
    total = strengths.sum()
    if total <= 0:
        return 1.0
    shares = strengths[strengths > 0] / total
    return float(np.exp(-(shares * np.log(shares)).sum()))


def drift(before: Floats, now: Floats) -> float:
    """How far vectors of the same ids moved, once turned onto the old ones as well as a rotation can: 0 where nothing
    but the space has turned, 1 where they have nothing in common. Lengths as a whole do not count."""
    first, second = (_some(each)[:, :-1].astype(np.float64) for each in (before, now))
    if first.shape != second.shape:
        return 1.0
    first, second = (each / max(float(np.linalg.norm(each)), 1e-12) for each in (first, second))
    common = np.linalg.svd(first.T @ second, compute_uv=False).sum()
    return float(np.sqrt(max(1 - min(common, 1.0) ** 2, 0.0)))


def _some(vectors: Floats) -> Floats:
    step = -(-len(vectors) // LOOKED_AT)
    return vectors[:: max(step, 1)]
