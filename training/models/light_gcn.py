"""The trained teacher: vectors of items, smoothed over the graph that ties them to users (LightGCN, He et al., 2020).

A user has no vector of its own but that of its history, so whoever came tonight has one too (INMO, Wu et al., 2022). An
item has two, one for when it is remembered and one for when it is scored, each the mean over some layers of smoothing;
a layer goes from items to users and back, damped by degrees. Where the graph fits, all items are smoothed at once by
sparse products. Where it does not, some neighbours are drawn for the items of each batch, which comes out right on
average.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor, nn
from torch.nn import functional

from training.models.spectrum import Matrix


@dataclass(frozen=True)
class Side:
    """From the nodes of one side to their neighbours on the other: those of node n stand at starts[n] to starts[n + 1],
    with what each tie counts."""

    starts: Tensor
    neighbours: Tensor
    values: Tensor

    def to(self, device: torch.device) -> Side:
        return Side(self.starts.to(device), self.neighbours.to(device), self.values.to(device))

    @classmethod
    def of(cls, ties: csr_matrix) -> Side:
        starts, neighbours = (torch.from_numpy(part.astype(np.int64)) for part in (ties.indptr, ties.indices))
        return cls(starts, neighbours, torch.from_numpy(ties.data.astype(np.float32)))


@dataclass(frozen=True)
class Graph:
    """Both sides of the graph of users and items."""

    users: Side
    items: Side

    def to(self, device: torch.device) -> Graph:
        return Graph(self.users.to(device), self.items.to(device))

    @classmethod
    def of(cls, ties: csr_matrix) -> Graph:
        """The graph of ties, users by items, that are damped already."""
        return cls(Side.of(ties), Side.of(csr_matrix(ties.T)))


class LightGcn(nn.Module):
    """Vectors of items before any smoothing, in units of `scale`: of one, so that one learning rate suits all."""

    def __init__(self, entering: Matrix, leaving: Matrix, layers: int) -> None:
        super().__init__()
        self.layers = layers
        self.scale = max(float(np.sqrt(np.mean(np.square(entering)))), 1e-12)
        self.entering, self.leaving = (
            nn.Parameter(torch.from_numpy(np.asarray(side / self.scale, np.float32))) for side in (entering, leaving)
        )

    def forward(self, graph: Graph) -> tuple[Tensor, Tensor]:
        """The vectors of all items: as they are remembered, and as they are scored."""
        return self._whole(self.entering, graph), self._whole(self.leaving, graph)

    def some(self, graph: Graph, items: Tensor, fanout: int, *, entering: bool) -> Tensor:
        """The vectors of some items, following `fanout` drawn neighbours of each node; drawn by torch."""
        base = self.entering if entering else self.leaving
        total = base[items]
        for depth in range(1, self.layers + 1):
            total = total + _drawn(base, graph, items, fanout, 2 * depth)
        return total * (self.scale / (self.layers + 1))

    def _whole(self, base: Tensor, graph: Graph) -> Tensor:
        layer, total = base, base
        for _ in range(self.layers):
            users = _product(graph.users, graph.items, layer)
            layer = _product(graph.items, graph.users, users)
            total = total + layer
        return total * (self.scale / (self.layers + 1))


def _drawn(base: Tensor, graph: Graph, nodes: Tensor, fanout: int, steps: int, *, of_items: bool = True) -> Tensor:
    """What so many steps over the graph bring to some nodes, with some of each node's neighbours drawn for all."""
    if not steps:
        return base[nodes]
    side = graph.items if of_items else graph.users
    first, degrees = side.starts[nodes], side.starts[nodes + 1] - side.starts[nodes]
    chance = torch.rand(len(nodes), fanout, device=nodes.device)
    places = first[:, None] + (chance * degrees[:, None]).long().minimum((degrees[:, None] - 1).clamp(min=0))
    places = places.clamp(max=max(len(side.neighbours) - 1, 0))
    weights = side.values[places] * (degrees[:, None] / fanout)
    behind = _drawn(base, graph, side.neighbours[places].reshape(-1), fanout, steps - 1, of_items=not of_items)
    return (behind.view(-1, fanout, base.shape[1]) * weights[:, :, None]).sum(dim=1)


class _Product(torch.autograd.Function):
    """What a step from one side's nodes to the other's brings; its gradient is the step back, over ties that are at
    hand already."""

    @staticmethod
    def forward(context: Any, side: Side, back: Side, vectors: Tensor) -> Tensor:
        context.back = back
        return _summed(side, vectors)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[None, None, Tensor]:
        return None, None, _summed(context.back, gradients[0].contiguous())


def _product(side: Side, back: Side, vectors: Tensor) -> Tensor:
    product: Tensor = _Product.apply(side, back, vectors)  # type: ignore[no-untyped-call]
    return product


def _summed(side: Side, vectors: Tensor) -> Tensor:
    """For each node the sum over its neighbours; twice as quick as a product with a sparse tensor."""
    return functional.embedding_bag(
        side.neighbours, vectors, side.starts[:-1], mode="sum", per_sample_weights=side.values
    )
