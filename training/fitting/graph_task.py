"""Teaching the graph: a part of each history is hidden and has to be found among all items.

What is shown of a history makes the user's vector; the score of an item is its product with the item's vector, beside
what the walk over the graph gives, which is not taught. The loss is the softmax over all candidates, shown items left
out. Of a catalogue too large for that, candidates are what the batch hides and others drawn by their share of all
wants, which the scores are corrected for (logQ).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor
from torch.nn import functional

from training.data.ids import Ints
from training.fitting.seeding import generator
from training.fitting.task import Task
from training.models.filter_parts import Completed, walked
from training.models.light_gcn import Graph, LightGcn
from training.models.spectrum import Matrix

Validate = Callable[[LightGcn], float]
NOT_THERE = -1


@dataclass(frozen=True)
class GraphAims:
    """How the graph is taught.

    `hidden` is the share of each history that is hidden, `sharpness` what scores are multiplied with to be logits.
    `candidates` are scored for each batch at most. Of a history `longest` entries count at most, drawn anew for each
    epoch. `fanout` is how many neighbours are drawn for each node; 0 smooths the whole graph at once.
    """

    hidden: float = 0.3
    sharpness: float = 400.0
    candidates: int = 50_000
    longest: int = 300
    fanout: int = 0


@dataclass(frozen=True)
class Hiding:
    """Some users: the items of their histories (no item is `NOT_THERE`), which of them are hidden, the place of each
    among the candidates, and what the walk gives the candidates. `candidates` and `log_chance` are shared by all."""

    items: Tensor
    hidden: Tensor
    places: Tensor
    walked: Tensor
    candidates: Tensor
    log_chance: Tensor


class GraphTask(Task[Hiding]):
    """The vectors, the histories and the loss. `part` is the filter that training starts from: its walk stays,
    its weights of items on the way in and out hold for the vectors too."""

    def __init__(
        self, module: LightGcn, part: Completed, asked: csr_matrix, aims: GraphAims, seed: int,
        validate: Validate | None = None,
    ) -> None:  # fmt: skip
        self.module: LightGcn = module
        self._graph = Graph.of(part.ties)
        self._part, self._asked, self._aims, self._seed, self._validate = part, asked, aims, seed, validate
        self._ends = tuple(torch.from_numpy(np.asarray(side, np.float32)) for side in (part.entering, part.leaving))
        self._users = np.flatnonzero(np.diff(asked.indptr) > 1)
        wanted = np.bincount(asked.indices, minlength=asked.shape[1])
        self._shares = wanted / max(wanted.sum(), 1)

    @property
    def examples(self) -> int:
        return len(self._users)

    def batches(self, epoch: int, size: int) -> Iterator[Hiding]:
        """Every history of more than one item once, in an order that seed and epoch decide."""
        order = generator(self._seed, epoch).permutation(self._users)
        for number, start in enumerate(range(0, len(order), size)):
            yield self._hidden(order[start : start + size], generator(self._seed, epoch, number))

    def loss(self, batch: Hiding) -> dict[str, Tensor]:
        """How surprising what is hidden is, each user's items by the root of their number."""
        return {"loss": self.surprise(batch, self.scores(batch), self._aims.sharpness)}

    def surprise(self, batch: Hiding, scores: Tensor, sharpness: float) -> Tensor:
        """The loss of scores of candidates, at a sharpness."""
        shown = _shown(batch)
        scores = scores * sharpness - batch.log_chance
        rows = torch.arange(len(scores), device=scores.device)[:, None].expand_as(shown)
        found = shown & (batch.places >= 0)
        scores = scores.index_put((rows[found], batch.places[found]), torch.tensor(-1e4, device=scores.device))
        surprise = -functional.log_softmax(scores, dim=1)
        wanted = batch.hidden & (batch.places >= 0)
        told = surprise.gather(1, batch.places.clamp(min=0)) * wanted
        return (told.sum(dim=1) / wanted.sum(dim=1).clamp(min=1).sqrt()).mean()

    def scores(self, batch: Hiding) -> Tensor:
        """What the candidates are given for what is shown of each history."""
        self._onto(batch.items.device)
        shown = _shown(batch)
        entering, leaving = self._vectors(batch, shown)
        weights = self._ends[0][batch.items[shown]] / shown.sum(dim=1).sqrt().repeat_interleave(shown.sum(dim=1))
        starts = torch.cumsum(shown.sum(dim=1), 0) - shown.sum(dim=1)
        users = functional.embedding_bag(*entering, starts, mode="sum", per_sample_weights=weights)
        return (users @ leaving.T) * self._ends[1][batch.candidates] + batch.walked

    def validate(self) -> float | None:
        return self._validate(self.module) if self._validate else None

    def take(self, batch: Hiding, start: int, end: int) -> Hiding:
        own = {name: getattr(batch, name)[start:end] for name in ("items", "hidden", "places", "walked")}
        return replace(batch, **own)

    def _vectors(self, batch: Hiding, shown: Tensor) -> tuple[tuple[Tensor, Tensor], Tensor]:
        """Where each shown item's vector lies, in which table; and the candidates' vectors."""
        items = batch.items[shown]
        if self._aims.fanout:
            distinct, places = torch.unique(items, return_inverse=True)
            entering = self.module.some(self._graph, distinct, self._aims.fanout, entering=True)
            leaving = self.module.some(self._graph, batch.candidates, self._aims.fanout, entering=False)
            return (places, entering), leaving
        entering, leaving = self.module(self._graph)
        return (items, entering), leaving[batch.candidates]

    def _hidden(self, users: Ints, chance: np.random.Generator) -> Hiding:
        sizes = np.diff(self._asked.indptr)[users]
        items = np.full((len(users), min(int(sizes.max()), self._aims.longest)), NOT_THERE)
        for row, user in enumerate(users):
            own = self._asked.indices[self._asked.indptr[user] : self._asked.indptr[user + 1]]
            kept = own if len(own) <= items.shape[1] else np.sort(chance.permutation(own)[: items.shape[1]])
            items[row, : len(kept)] = kept
        hidden = (chance.random(items.shape) < self._aims.hidden) & (items >= 0)
        hidden[hidden.sum(axis=1) == np.minimum(sizes, items.shape[1]), 0] = False
        candidates, log_chance = self._candidates(items[hidden], chance)
        place_of = np.full(self._asked.shape[1] + 1, NOT_THERE)
        place_of[candidates] = np.arange(len(candidates))
        walk = self._walked(items, hidden, candidates)
        parts = (items, hidden, place_of[items], walk, candidates, log_chance)
        return Hiding(*(torch.from_numpy(part) for part in parts))

    def _candidates(self, wanted: Ints, chance: np.random.Generator) -> tuple[Ints, Matrix]:
        """Which items are told apart, and how likely each was to be among them, as a logarithm: what is wanted counts
        as drawn too."""
        every, most = len(self._shares), self._aims.candidates
        if every <= most:
            return np.arange(every), np.zeros(every, np.float32)
        draws = max(most, len(wanted))
        drawn = chance.choice(every, draws - len(wanted), p=self._shares)
        candidates = np.unique(np.concatenate([wanted, drawn]))
        if len(candidates) > most:
            candidates = np.sort(chance.permutation(candidates)[:most])
        return candidates, np.log(-np.expm1(-draws * np.maximum(self._shares[candidates], 1e-12))).astype(np.float32)

    def _walked(self, items: Ints, hidden: np.ndarray, candidates: Ints) -> Matrix:
        """What the walk over the graph gives the candidates for what is shown."""
        shown = (items >= 0) & ~hidden
        weights = np.repeat(1 / np.sqrt(shown.sum(axis=1)), shown.sum(axis=1))
        starts = np.r_[0, np.cumsum(shown.sum(axis=1))]
        asked = csr_matrix((weights, items[shown], starts), shape=(len(items), self._asked.shape[1]))
        found = walked(self._part, asked, candidates)
        return np.asarray(found * self._part.leaving[candidates] * self._part.strength, np.float32)

    def _onto(self, device: torch.device) -> None:
        if self._ends[0].device != device:
            self._graph = self._graph.to(device)
            self._ends = tuple(end.to(device) for end in self._ends)


def _shown(batch: Hiding) -> Tensor:
    return (batch.items >= 0) & ~batch.hidden
