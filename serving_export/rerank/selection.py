"""Choosing the entries of many lists at once, one place after another: the best that is left, kept from being too much
like those before it, within caps.

Two ways to keep entries apart. By the nearest entry (MMR, Carbonell and Goldstein 1998): a candidate loses by how much
it is like the entry that it is most like. By volume (DPP, Chen, Zhang and Zhou 2018): what counts is how much room the
vectors of all entries span together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from daybreak.surfaces import Diversity
from serving_export.arrays import NOBODY, Flags, Floats, Ints
from serving_export.rerank.slate import Slate

Vectors = npt.NDArray[np.float32]
OWN_ROOM = 0.1
"""How much of an entry is like no other, whatever the vectors say: without it, past as many entries as vectors have
numbers no candidate would have any room left."""


@dataclass(frozen=True)
class Cap:
    """At most so many entries of a list may share a group; -1 is no group. `groups` has one for each candidate."""

    groups: Ints
    most: int


def select(slate: Slate, length: int, caps: Sequence[Cap], diversity: Diversity, vectors: Vectors | None) -> Ints:
    """For each line the places of its entries in order, -1 past the last."""
    width = slate.rows.shape[1]
    if not caps and (diversity.method == "none" or vectors is None):
        return np.where(slate.there, np.arange(width), NOBODY)[:, :length]
    lines = np.arange(len(slate.queries))
    chosen = np.full((len(lines), min(length, width)), NOBODY)
    free, tallies = slate.there.copy(), [_Tally(slate, cap, chosen.shape[1]) for cap in caps]
    apart = _apart(slate, diversity, vectors)
    for place in range(chosen.shape[1]):
        values = np.where(free, apart.values(place), -np.inf)
        best = values.argmax(axis=1)
        found = values[lines, best] > -np.inf
        if not found.any():
            break
        chosen[found, place] = best[found]
        free[lines, best] = False
        apart.take(best, found, place)
        for tally in tallies:
            tally.take(best, found, place, free)
    return chosen


class _Tally:
    """Of which groups each line has entries."""

    def __init__(self, slate: Slate, cap: Cap, length: int) -> None:
        self._groups = slate.of_candidates(cap.groups)
        self._held = np.full((len(self._groups), length), NOBODY)
        self._most = cap.most

    def take(self, best: Ints, found: Flags, place: int, free: Flags) -> None:
        """Notes the entries just chosen, and takes from what is free the groups that are full now."""
        own = np.where(found, self._groups[np.arange(len(best)), best], NOBODY)
        self._held[:, place] = own
        counts = (self._held[:, : place + 1] == own[:, None]).sum(axis=1)
        full = np.flatnonzero((counts >= self._most) & (own >= 0))
        free[full] &= self._groups[full] != own[full, None]


class _Apart(Protocol):
    """What each candidate is worth beside the entries chosen so far."""

    def values(self, place: int) -> Floats: ...

    def take(self, best: Ints, found: Flags, place: int) -> None: ...


def _apart(slate: Slate, diversity: Diversity, vectors: Vectors | None) -> _Apart:
    if diversity.method == "none" or vectors is None or not diversity.strength:
        return _ByScore(slate)
    return (_ByNearest if diversity.method == "mmr" else _ByVolume)(slate, diversity.strength, vectors)


class _ByScore:
    def __init__(self, slate: Slate) -> None:
        self._scores = slate.scores

    def values(self, place: int) -> Floats:
        return self._scores

    def take(self, best: Ints, found: Flags, place: int) -> None:
        return None


class _ByNearest:
    def __init__(self, slate: Slate, strength: float, vectors: Vectors) -> None:
        self._worth = (1.0 - strength) * relevance(slate)
        self._strength = strength
        self._alike = _alike(slate, vectors)
        self._nearest = np.zeros(slate.rows.shape, np.float32)

    def values(self, place: int) -> Floats:
        return self._worth - self._strength * self._nearest

    def take(self, best: Ints, found: Flags, place: int) -> None:
        np.maximum(self._nearest, self._alike[np.arange(len(best)), best], out=self._nearest)


class _ByVolume:
    """Greedy, by an update of a Cholesky factor."""

    def __init__(self, slate: Slate, strength: float, vectors: Vectors) -> None:
        weight = (1.0 - strength) / (2.0 * strength)
        self._quality = np.exp(weight * relevance(slate)).astype(np.float64)
        self._alike = _alike(slate, vectors)
        self._left = np.ones(slate.rows.shape)
        self._factors: list[Floats] = []

    def values(self, place: int) -> Floats:
        return 2 * np.log(self._quality) + np.log(np.maximum(self._left, 1e-12))

    def take(self, best: Ints, found: Flags, place: int) -> None:
        lines = np.arange(len(best))
        alike = (1.0 - OWN_ROOM) * self._alike[lines, best].astype(np.float64)
        alike[lines, best] = 1.0
        for factor in self._factors:
            alike -= factor * factor[lines, best][:, None]
        factor = alike / np.sqrt(np.maximum(self._left[lines, best], 1e-12))[:, None]
        self._factors.append(factor)
        self._left = np.maximum(self._left - factor**2, 0.0)


def relevance(slate: Slate) -> Floats:
    """Scores as shares of the best of the line, from 0 to 1."""
    scores = np.where(slate.there, slate.scores, np.inf)
    least = scores.min(axis=1, keepdims=True, initial=np.inf)
    span = slate.scores.max(axis=1, keepdims=True, initial=-np.inf) - least
    with np.errstate(invalid="ignore"):
        shares = (slate.scores - least) / np.where(span > 0, span, 1.0)
    return np.where(slate.there, shares, 0.0)


def _alike(slate: Slate, vectors: Vectors) -> Vectors:
    """How much each two candidates of a line are alike: the product of their vectors, which are of length 1."""
    found = vectors[np.where(slate.there, slate.candidates, 0)]
    found[~slate.there] = 0.0
    return np.matmul(found, found.transpose(0, 2, 1))
