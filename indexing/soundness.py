"""Whether vectors are worth indexing at all: their lengths, whether they fill their space, and how far they moved."""

from __future__ import annotations

import numpy as np

from indexing.arrays import Doubles, Floats

LOOKED_AT = 20_000
"""Vectors that are looked at, at most, evenly over all, to see which directions they fill."""


def longest_by_usual(vectors: Floats, among: Floats) -> float:
    """How many times as long as is usual `among` others the longest of some vectors is, with its bias or without."""
    return max(_longest(vectors, among), _longest(vectors[:, :-1], among[:, :-1]))


def _longest(vectors: Floats, among: Floats) -> float:
    usual = float(np.median(_lengths(among)))
    return float(_lengths(vectors).max()) / max(usual, 1e-12)


def _lengths(vectors: Floats) -> Doubles:
    lengths: Doubles = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
    return lengths


def filled(vectors: Floats) -> float:
    """How many directions vectors fill, without their bias. At one point they fill as little as on a line."""
    plain = _some(vectors)[:, :-1].astype(np.float64)
    return min(effective_rank(plain), effective_rank(plain - plain.mean(axis=0)))


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
