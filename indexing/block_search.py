"""Exact search for whole populations: a first pass over all pairs, and an exact finish for those it cannot tell apart.

A first pass scores every pair in bfloat16, which takes a fraction of the time; what it may have got wrong is bounded,
and only pairs that the bound cannot tell apart from the k best are scored again, each by itself in float64.

Why nothing is lost: a first score differs from the score by no more than its margin (Cauchy and Schwarz on what
rounding took from either vector, and the rounding of sum and score), so first scores less their margins are k distinct
rows' proof that the k-th best score is at least the least of them. A row whose first score plus its margin stays below
that has k better ones; every other row is scored again and sorted, so how rows were blocked, and in which numbers the
first pass was made, changes the work alone.

No pass over the scores sorts them: rows stand in groups, and only groups whose maximum reaches the bound are looked
into. Rows come longest first, about a centre that is the same for all and so changes no order: the bound is soon high,
and the margins of later rows are small. A query too crowded for bfloat16 is taken again in float32, and one too crowded
for that is scored against all rows.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cached_property, partial

import numpy as np
import numpy.typing as npt
import torch

from indexing.arrays import Floats, Ints
from indexing.first_pass import BRIEF, FULL, Block, Catalogue, Kind, Span, asked_as, margins_of, multiplied
from indexing.scoring import NOTHING, keyed, unkeyed

Candidates = tuple[Ints, Ints, npt.NDArray[np.bool_]]
"""Queries, in order, and places of rows; and which queries have too many and none of these."""
USERS, SPAN, GROUP = 256, 25000, 8
"""Queries and rows of a block of scores, and rows of a group: what was quickest of some."""
PAIRS = 768
"""Pairs that are scored again at once: their vectors stay in the processor's nearest caches."""


def bfloat16_is_quick() -> bool:
    """Whether the processor multiplies bfloat16 in tiles; others take longer for it than for float32."""
    return bool(torch.cpu._is_amx_tile_supported())


class BlockSearch:
    """The search of a catalogue, block by block of queries; what is prepared of the rows is kept."""

    def __init__(self, catalogue: Catalogue, k: int, memory_bytes: int, device: str) -> None:
        self.catalogue, self.k, self.device, self.rooms = catalogue, k, device, threading.local()
        n_rows = len(catalogue.order)
        self.group = min(max(n_rows // (16 * k), 1), GROUP)
        self.limit = 4 * k + 256
        of_query = 16 * self.group * self.limit
        width = min(SPAN if device == "cpu" else memory_bytes // (16 * USERS), n_rows, memory_bytes // 64)
        self.width = -(-max(width, 1) // self.group) * self.group
        self.users = min(max(memory_bytes // (8 * self.width + of_query), 1), USERS)

    @cached_property
    def brief(self) -> list[Span]:
        return self._spans(BRIEF)

    @cached_property
    def full(self) -> list[Span]:
        return self._spans(FULL)

    @cached_property
    def on_device(self) -> list[torch.Tensor]:
        return [span.matrix[: span.stop - span.start].T.to(self.device, torch.float32) for span in self.brief]

    def _spans(self, kind: Kind) -> list[Span]:
        n_rows = len(self.catalogue.order)
        starts = range(0, n_rows, self.width)
        return [self.catalogue.span(start, min(start + self.width, n_rows), kind, self.group) for start in starts]

    def find(self, queries: Floats, own: Ints) -> tuple[Ints, Floats]:
        """The best rows of each query of a block, and their scores."""
        keys = np.full((len(queries), self.k), NOTHING)
        told = queries.any(axis=1)
        left = np.flatnonzero(told)
        for first_pass in self._passes():
            if len(left) and len(self.catalogue.order):
                users, places, crowded = first_pass(queries[left], self.catalogue.place[own[left]])
                keys[left] = self._scored(queries[left], users, self.catalogue.order[places])
                left = left[crowded]
        for query in np.concatenate([left, np.flatnonzero(~told)]):
            keys[query] = self._among_all(queries[query], int(own[query]))
        return unkeyed(keys)

    def _passes(self) -> list[Callable[[Floats, Ints], Candidates]]:
        brief = partial(self._by_groups, BRIEF)
        full = partial(self._by_groups, FULL)
        if self.device != "cpu":
            return [self._by_device, full]
        return [brief, full] if bfloat16_is_quick() else [full]

    def _room(self, kind: Kind) -> torch.Tensor:
        """Where a thread keeps a block of scores, made once."""
        if getattr(self.rooms, "kind", None) is not kind:
            self.rooms.kind, self.rooms.scores = kind, torch.empty(self.users * self.width, dtype=kind.floats)
        scores: torch.Tensor = self.rooms.scores
        return scores

    def _by_groups(self, kind: Kind, queries: Floats, own: Ints) -> Candidates:
        """Candidates by a first pass in numbers of a kind, blocks of scores being looked into while they are warm."""
        asked = asked_as(queries, own, kind)
        scores = self._room(kind)
        pool = np.full((len(queries), self.k), -np.inf, np.float32)
        counts = np.zeros(len(queries), np.int64)
        found: list[tuple[Ints, Ints, Floats]] = [(counts[:0], counts[:0], pool[0, :0])]
        for span in self.brief if kind is BRIEF else self.full:
            margins = margins_of(asked, span, self.catalogue)
            if (asked.lengths * span.longest + margins < pool[:, 0]).all():
                break
            block = Block(kind, multiplied(asked, span, kind, scores), self.group, margins)
            pool, bounds = block.bounded(pool)
            bounds[counts > self.limit] = np.iinfo(kind.bits).max
            users, rows, bests, too_many = block.reaching(bounds, self.limit)
            counts += np.bincount(users, minlength=len(counts)) + too_many
            found.append((users, span.start + rows, bests))
        users, places, bests = (np.concatenate(each) for each in zip(*found, strict=True))
        crowded = counts > self.limit
        kept = np.flatnonzero((bests >= pool[users, 0]) & ~crowded[users])
        kept = kept[np.argsort(users[kept].astype(np.int16), kind="stable")]
        return users[kept], places[kept], crowded

    def _by_device(self, queries: Floats, own: Ints) -> Candidates:
        """Candidates by a first pass of torch elsewhere, which keeps more than k; crowded are those whose bound not all
        is known above. Products of bfloat16 are the same in every precision that a device may be set to."""
        asked = asked_as(queries, own, BRIEF)
        matrix = asked.matrix.to(self.device, torch.float32)
        n_rows = len(self.catalogue.order)
        kept = min(2 * self.k + 64, n_rows)
        values = torch.empty((len(queries), 0), device=self.device)
        places = torch.empty((len(queries), 0), device=self.device, dtype=torch.int64)
        for span, vectors in zip(self.brief, self.on_device, strict=True):
            scores = matrix @ vectors
            at = np.flatnonzero((asked.own >= span.start) & (asked.own < span.stop))
            scores[at, asked.own[at] - span.start] = -torch.inf
            best = scores.topk(min(kept, scores.shape[1]), dim=1)
            values, places = torch.cat([values, best.values], 1), torch.cat([places, best.indices + span.start], 1)
            values, at_most = values.topk(min(kept, values.shape[1]), dim=1)
            places = places.gather(1, at_most)
        firsts, stand = values.cpu().numpy().astype(np.float64), places.cpu().numpy()
        margins = np.max([margins_of(asked, span, self.catalogue) for span in self.brief], axis=0)
        least = firsts[:, min(self.k, kept) - 1] - 2 * margins
        crowded = (firsts[:, -1] >= least) & (kept < n_rows)
        users, columns = np.nonzero((firsts >= least[:, None]) & (firsts > -np.inf) & ~crowded[:, None])
        return users, stand[users, columns], crowded

    def _scored(self, queries: Floats, users: Ints, rows: Ints) -> Ints:
        """The k best of candidates, which stand query by query, as keys that hold score and row."""
        exact, scores = queries.astype(np.float64), np.empty(len(rows))
        for start in range(0, len(rows), PAIRS):
            at = slice(start, start + PAIRS)
            vectors = self.catalogue.vectors.take(rows[at], axis=0).astype(np.float64)
            np.vecdot(vectors, exact.take(users[at], axis=0), out=scores[at])
        counts = np.bincount(users, minlength=len(queries))
        keys = np.full((len(queries), max(self.k, int(counts.max(initial=0)))), NOTHING)
        keys[users, np.arange(len(users)) - np.repeat(np.cumsum(counts) - counts, counts)] = keyed(scores, rows)
        keys.sort(axis=1)
        return keys[:, : self.k]

    def _among_all(self, query: Floats, own: int) -> Ints:
        """The keys of a query that no bound helps; the rows are all equal to one that is zero."""
        rows = self.catalogue.rows if query.any() else self.catalogue.rows[: self.k + 1]
        keys = np.full(self.k, NOTHING)
        for start in range(0, len(rows), self.width):
            some = rows[start : start + self.width]
            some = some[some != own]
            more = self._scored(query[None], np.zeros(len(some), np.int64), some)[0]
            keys = np.sort(np.concatenate([keys, more]))[: self.k]
        return keys
