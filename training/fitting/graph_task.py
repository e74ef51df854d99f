"""Teaching the graph: batches of ties, each told apart from those of the other users of its batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor
from torch.nn import functional

from training.fitting.seeding import generator
from training.fitting.task import Task
from training.models.light_gcn import Graph, LightGcn, pairs_of

Validate = Callable[[LightGcn], float]


@dataclass(frozen=True)
class GraphAims:
    """How ties are taught.

    `sharpness` scales cosines into logits, `popular` is how much the chance of a draw is corrected for (logQ),
    `agreement` what the agreement of two shaken views counts and `noise` how far they are shaken; `decay` keeps vectors
    short. `fanout` is how many neighbours are drawn for each node; 0 smooths the whole graph at once.
    """

    sharpness: float = 8.0
    popular: float = 0.5
    agreement: float = 0.1
    noise: float = 0.1
    decay: float = 1e-4
    fanout: int = 0


Pair = tuple[Tensor, Tensor]


class GraphTask(Task[Pair]):
    """The vectors, the ties and the loss."""

    def __init__(
        self, module: LightGcn, ties: csr_matrix, aims: GraphAims, seed: int, validate: Validate | None = None
    ) -> None:
        self.module: LightGcn = module
        self._graph = Graph.of(ties)
        self._users, self._items = (torch.from_numpy(side) for side in pairs_of(ties))
        popularity = np.bincount(ties.indices, minlength=ties.shape[1]) / max(ties.nnz, 1)
        self._log_chance = torch.from_numpy(np.log(np.maximum(popularity, 1e-12)).astype(np.float32))
        self._aims = aims
        self._seed = seed
        self._validate = validate

    @property
    def examples(self) -> int:
        return len(self._users)

    def batches(self, epoch: int, size: int) -> Iterator[Pair]:
        """Every tie once, in an order that seed and epoch decide."""
        order = torch.from_numpy(generator(self._seed, epoch).permutation(len(self._users)))
        for start in range(0, len(order), size):
            chosen = order[start : start + size]
            yield self._users[chosen], self._items[chosen]

    def loss(self, batch: Pair) -> dict[str, Tensor]:
        """How hard ties are to tell apart, and how little shaken views agree."""
        users, items = batch
        self._onto(users.device)
        left, right = self._vectors(users, of_users=True), self._vectors(items, of_users=False)
        scores = (
            _unit(left[0]) @ _unit(right[0]).T * self._aims.sharpness - self._aims.popular * self._log_chance[items]
        )
        same = (items[None, :] == items[:, None]) & ~torch.eye(len(items), dtype=torch.bool, device=items.device)
        told_apart = functional.cross_entropy(
            scores.masked_fill(same, -torch.inf), torch.arange(len(items), device=items.device)
        )
        short = (self.module.users[users].square().sum() + self.module.items[items].square().sum()) / len(users)
        losses = {"told_apart": told_apart, "length": short}
        loss = told_apart + self._aims.decay * short
        if self._aims.agreement:
            losses["agreement"] = _agreement(*left, users) + _agreement(*right, items)
            loss = loss + self._aims.agreement * losses["agreement"]
        return {"loss": loss, **losses}

    def validate(self) -> float | None:
        return self._validate(self.module) if self._validate else None

    def _vectors(self, nodes: Tensor, *, of_users: bool) -> tuple[Tensor, Tensor]:
        """The nodes' vectors, and another view of them."""
        if self._aims.fanout:
            layers = self.module.sampled(self._graph, nodes, self._aims.fanout, of_users=of_users)
        else:
            layers = [layer[nodes] for layer in self._whole(of_users)]
        return torch.stack(layers).mean(dim=0), layers[1] if len(layers) > 1 else layers[0]

    def _whole(self, of_users: bool) -> list[Tensor]:
        """All nodes of one side; both sides come of one pass, so the second asked for is there already."""
        if of_users:
            noise = self._aims.noise if self._aims.agreement else 0.0
            users, self._other = self.module(self._graph, noise)
            return list(users)
        return self._other

    def _onto(self, device: torch.device) -> None:
        if self._log_chance.device != device:
            self._graph, self._log_chance = self._graph.to(device), self._log_chance.to(device)


def _unit(vectors: Tensor) -> Tensor:
    return functional.normalize(vectors, dim=1)


def _agreement(final: Tensor, early: Tensor, nodes: Tensor, temperature: float = 0.2) -> Tensor:
    """How well the two views of a node are told apart from those of the batch's other nodes (InfoNCE)."""
    distinct, back = torch.unique(nodes, return_inverse=True)
    first = torch.zeros(len(distinct), dtype=torch.long, device=nodes.device)
    first = first.scatter(0, back, torch.arange(len(nodes), device=nodes.device))
    scores = _unit(final[first]) @ _unit(early[first]).T / temperature
    return functional.cross_entropy(scores, torch.arange(len(distinct), device=nodes.device))
