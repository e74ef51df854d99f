"""The first pass of exact search: scores of many pairs at once, how far they may be off, and which of them matter.

Scores come as bits, a row of the block for each row of the vectors, since whole rows of a block are compared at once
and bits of bfloat16 twice as many at a time as floats would be.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from indexing.arrays import NOWHERE, Doubles, Floats, Ints

Bits = npt.NDArray[Any]
"""Floats by their bits, int16 of bfloat16 or int32 of float32."""

SAMPLE = 20_000
"""Vectors that are enough to tell the centre."""
TOPS = 3
"""Groups for each one of k that are enough to tell the k best of."""
CHUNK = 768
"""Vectors that are prepared at once: they stay in the processor's nearest caches."""
SLACK = 2.0**-20
"""Far more than the arithmetic of the margins themselves gets wrong, as a share."""
SUMMING = 2.0**-22
"""Several times what one addition in float32 gets wrong, as a share."""
TINY = 2.0**-70
"""More than is lost where numbers, or their squares, are too small for a float."""
ENDLESS = 1e38
"""More than any score of vectors that are scaled to about one."""


@dataclass(frozen=True)
class Kind:
    """The numbers of a first pass: what one is by its bits, and the share of a score that rounding may take."""

    floats: torch.dtype
    bits: type[np.signedinteger[Any]]
    rounding: float

    @property
    def nowhere(self) -> Any:
        """Minus infinity by its bits, put in order."""
        return self.bits(turned(np.array([-np.inf], np.float32).view(np.int32))[0] >> self.shift)

    @property
    def shift(self) -> int:
        """By how much float32 is longer."""
        return 32 - np.iinfo(self.bits).bits


BRIEF = Kind(torch.bfloat16, np.int16, 2.0**-8 + 2.0**-14)
FULL = Kind(torch.float32, np.int32, SLACK)


@dataclass(frozen=True)
class Span:
    """Some rows about the centre as the first pass takes them, the longest, and the most that rounding took of one."""

    start: int
    stop: int
    matrix: torch.Tensor
    longest: float
    rest: float


@dataclass(frozen=True)
class Asked:
    """Queries, each scaled to about one, and as the first pass takes them; where stands the row that is its own."""

    matrix: torch.Tensor
    lengths: Doubles
    rests: Doubles
    exponents: Ints
    own: Ints


class Catalogue:
    """The rows that may be given, longest first about their centre, and where each stands in this order."""

    def __init__(self, vectors: Floats, hidden: Ints) -> None:
        self.vectors = vectors
        free = np.ones(len(vectors), bool)
        free[hidden] = False
        self.rows = np.flatnonzero(free)
        self.exponent = min(max(int(np.frexp(largest(vectors))[1]), -120), 126)
        sample = vectors[self.rows[:: max(len(self.rows) // SAMPLE, 1)]]
        centre = sample.sum(axis=0, dtype=np.float64) / max(len(sample), 1)
        self.centre = np.ldexp(centre, -self.exponent).astype(np.float32)
        self.from_origin = _longest(self.centre[None])
        lengths = np.zeros(len(self.rows), np.float32)
        for at in range(0, len(self.rows), CHUNK):
            some = self.about_centre(self.rows[at : at + CHUNK])
            np.vecdot(some, some, out=lengths[at : at + CHUNK])
        self.order = self.rows[np.argsort(-lengths, kind="stable")]
        self.place = np.full(len(vectors) + 1, NOWHERE)
        self.place[self.order] = np.arange(len(self.order))

    def about_centre(self, rows: Ints) -> Floats:
        some = self.vectors.take(rows, axis=0)
        some *= np.float32(2.0**-self.exponent)
        some -= self.centre
        return some

    def span(self, start: int, stop: int, kind: Kind, group: int) -> Span:
        """The matrix is filled up to whole groups of rows."""
        matrix = torch.zeros((-(-(stop - start) // group) * group, self.vectors.shape[1]), dtype=kind.floats)
        longest = rest = 0.0
        for at in range(start, stop, CHUNK):
            exact = self.about_centre(self.order[at : min(at + CHUNK, stop)])
            taken = matrix[at - start : at - start + len(exact)]
            taken[:] = torch.from_numpy(exact)
            longest, rest = max(longest, _longest(exact)), max(rest, _longest(exact - taken.float().numpy()))
        return Span(start, stop, matrix, longest, rest)


def _longest(vectors: Floats) -> float:
    """No less than the length of the longest."""
    return math.sqrt(float(np.vecdot(vectors, vectors).max()) * (1 + vectors.shape[1] * SUMMING))


def largest(numbers: Floats) -> float:
    """The largest size of a number, NaN where one is among them."""
    return float(np.maximum(numbers.max(), -numbers.min())) if numbers.size else 0.0


@dataclass(frozen=True)
class Block:
    """First scores of some queries and a span by their bits, and how far each query's may be off before rounding.

    Bits of floats are in order as long as none is negative. Where only those above zero matter the others are left as
    they are, below all of them; elsewhere a query's bits are put in order.
    """

    kind: Kind
    bits: Bits
    group: int
    margins: Doubles

    def bounded(self, pool: Floats) -> tuple[Floats, Bits]:
        """The k best that rows are sure to reach, the least first, the span's among them; what is below the bound on
        first scores, by its bits, cannot be among the k best."""
        tops = self._tops(self.maxima, pool.shape[1])
        surer = self._with(pool, np.where(tops < 0, self.kind.nowhere, tops), self.margins)
        bounds = self._bounds(surer, self.margins)
        low = np.flatnonzero(bounds <= 0)
        if len(low):
            self.bits[:, low] = turned(self.bits[:, low])
            self.maxima[:, low] = self._maxima(self.bits[:, low])
            surer[low] = self._with(pool[low], self._tops(self.maxima[:, low], pool.shape[1]), self.margins[low])
            bounds[low] = self._bounds(surer[low], self.margins[low])
        return surer, bounds

    def reaching(self, bounds: Bits, limit: int) -> tuple[Ints, Ints, Floats, Ints]:
        """Queries and columns that reach the bound, and the best that each can be; and for queries of more groups than
        the limit, which are passed over, how many."""
        groups, users = np.divmod(np.flatnonzero(self.maxima >= bounds), len(bounds))
        counts = np.bincount(users, minlength=len(bounds))
        too_many = np.where(counts > limit, counts, 0)
        if too_many.any():
            kept = too_many[users] == 0
            groups, users = groups[kept], users[kept]
        cells, least, found = groups * len(bounds) + users, bounds.take(users), []
        for first in range(0, len(self.bits), len(self.maxima)):
            values = self.bits[first : first + len(self.maxima)].reshape(-1).take(cells)
            enough = np.flatnonzero(values >= least)
            found.append((users[enough], groups[enough] + first, values[enough]))
        users, rows, bits = (np.concatenate(each) for each in zip(*found, strict=True))
        firsts = self._floats(bits)
        bests = firsts + (np.abs(firsts) * np.float32(self.kind.rounding) + _up(self.margins)[users])
        return users, rows, bests, too_many

    @cached_property
    def maxima(self) -> Bits:
        return self._maxima(self.bits)

    def _maxima(self, bits: Bits) -> Bits:
        """For each query the largest bits of each group of rows, where row i is in group i modulo their number."""
        maxima: Bits = bits.reshape(self.group, -1).max(axis=0).reshape(-1, bits.shape[1])
        return maxima

    def _tops(self, maxima: Bits, k: int) -> Bits:
        """The k best, one of some neighbouring groups: nearly all, in a fraction of the time."""
        some = max(len(maxima) // (TOPS * k), 1)
        fewer = maxima[: len(maxima) // some * some].reshape(some, -1, maxima.shape[1]).max(axis=0)
        of_query, first = torch.from_numpy(fewer).T.contiguous().numpy(), len(fewer) - k
        return np.partition(of_query, first, axis=1)[:, first:] if first > 0 else of_query

    def _with(self, pool: Floats, tops: Bits, margins: Doubles) -> Floats:
        """The pool with what rows of these first scores are sure to reach."""
        firsts = self._floats(tops)
        sure = firsts - (np.abs(firsts) * np.float32(self.kind.rounding) + _up(margins)[:, None])
        both = np.concatenate([pool, sure], axis=1)
        first = both.shape[1] - pool.shape[1]
        return np.partition(both, first, axis=1)[:, first:]

    def _bounds(self, pool: Floats, margins: Doubles) -> Bits:
        reach = pool[:, 0] - margins
        reach = np.maximum(reach - np.abs(reach) * self.kind.rounding, -ENDLESS)
        bounds: Bits = (turned(reach.astype(np.float32).view(np.int32)) >> self.kind.shift).astype(self.kind.bits)
        return bounds

    def _floats(self, bits: Bits) -> Floats:
        floats: Floats = (turned(bits).astype(np.int32) << self.kind.shift).view(np.float32)
        return floats


def _up(margins: Doubles) -> Floats:
    return (margins * (1 + SLACK)).astype(np.float32)


def turned(bits: Bits) -> Bits:
    """Bits of floats as numbers of the same order; twice turned, they are as before."""
    kind = np.iinfo(bits.dtype)
    ordered: Bits = bits ^ ((bits >> (kind.bits - 1)) & bits.dtype.type(kind.max))
    return ordered


def asked_as(queries: Floats, own: Ints, kind: Kind) -> Asked:
    exponents = np.frexp(np.abs(queries).max(axis=1))[1].astype(np.int64)
    exact = queries * np.ldexp(1.0, -exponents)[:, None]
    taken = torch.from_numpy(exact).to(kind.floats)
    rests = exact - taken.double().numpy()
    return Asked(taken, np.sqrt(np.vecdot(exact, exact)), np.sqrt(np.vecdot(rests, rests)), exponents, own)


def multiplied(asked: Asked, span: Span, kind: Kind, into: torch.Tensor) -> Bits:
    """The first scores by their bits, a row of each row; a query's own and rows that fill up are of minus infinity."""
    shape = len(span.matrix), len(asked.matrix)
    scores = into[: shape[0] * shape[1]].view(shape)
    if kind is BRIEF:
        torch.mm(span.matrix, asked.matrix.T, out=scores)
    else:  # by numpy, since torch may be set to multiply float32 as something less
        np.matmul(span.matrix.numpy(), asked.matrix.numpy().T, out=scores.numpy())
    at = np.flatnonzero((asked.own >= span.start) & (asked.own < span.stop))
    scores[asked.own[at] - span.start, at] = -torch.inf
    scores[span.stop - span.start :] = -torch.inf
    bits: Bits = scores.view(torch.int16 if kind is BRIEF else torch.int32).numpy()
    return bits


def margins_of(asked: Asked, span: Span, catalogue: Catalogue) -> Doubles:
    """For each query the most by which its first scores, before they are rounded, miss the scores in float32."""
    dimensions = asked.matrix.shape[1]
    lengths = asked.lengths + asked.rests
    taken = asked.rests * span.longest + lengths * span.rest
    summing = dimensions * SUMMING * lengths * (span.longest + span.rest)
    rounding = SUMMING * asked.lengths * (span.longest + catalogue.from_origin)
    smallest = dimensions * TINY + np.ldexp(1.0, -148 - catalogue.exponent - asked.exponents)
    margins: Doubles = np.minimum((taken + summing + rounding + smallest) * (1 + SLACK), ENDLESS)
    return margins
