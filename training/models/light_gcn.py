"""The trained teacher: vectors of users and items, smoothed over the graph that ties them (LightGCN, He et al., 2020).

Each layer replaces a vector by the mean of its neighbours', damped by degrees; a node's vector is the mean over its
layers. Where the graph fits, all nodes are smoothed at once by sparse products. Where it does not, each batch follows
some neighbours that are drawn for its own nodes, which comes out right on average. A little noise in each layer gives
two views of a node, whose agreement is taught beside the wants (XSimGCL, Yu et al., 2023).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from scipy.sparse import csr_matrix
from torch import Tensor, nn

from training.data.ids import Ints

INITIAL_SPREAD = 0.1


@dataclass(frozen=True)
class Side:
    """From the nodes of one side to their neighbours on the other: those of node n stand at starts[n] to starts[n + 1].
    `matrix` holds the damped ties, `scale` is one over the root of each node's degree."""

    starts: Tensor
    neighbours: Tensor
    matrix: Tensor
    scale: Tensor

    def to(self, device: torch.device) -> Side:
        parts = (self.starts, self.neighbours, self.matrix, self.scale)
        return Side(*(part.to(device) for part in parts))


@dataclass(frozen=True)
class Graph:
    """Both sides of a graph of users and items; of one of users alone the two are the same."""

    users: Side
    items: Side

    def to(self, device: torch.device) -> Graph:
        return Graph(self.users.to(device), self.items.to(device))

    @classmethod
    def of(cls, ties: csr_matrix) -> Graph:
        """The graph of weighted ties, users by items."""
        across = csr_matrix(ties.T)
        scales = [_scale(np.asarray(side.sum(axis=1)).ravel()) for side in (ties, across)]
        return cls(_side(ties, scales[0], scales[1]), _side(across, scales[1], scales[0]))


def _scale(degrees: np.ndarray) -> np.ndarray:
    return np.where(degrees > 0, np.maximum(degrees, 1e-9) ** -0.5, 0.0).astype(np.float32)


def _side(ties: csr_matrix, own: np.ndarray, others: np.ndarray) -> Side:
    rows = np.repeat(np.arange(ties.shape[0]), np.diff(ties.indptr))
    damped = (ties.data * own[rows] * others[ties.indices]).astype(np.float32)
    starts, neighbours = torch.from_numpy(ties.indptr.astype(np.int64)), torch.from_numpy(ties.indices.astype(np.int64))
    matrix = torch.sparse_csr_tensor(starts, neighbours, torch.from_numpy(damped), size=ties.shape)
    return Side(starts, neighbours, matrix, torch.from_numpy(own))


class LightGcn(nn.Module):
    """Vectors of users and items before any smoothing; where both are the same nodes they share them."""

    def __init__(self, n_users: int, n_items: int, dimensions: int, layers: int, *, one_kind: bool = False) -> None:
        super().__init__()
        self.layers = layers
        self.one_kind = one_kind
        self.users = nn.Parameter(torch.randn(n_users, dimensions) * INITIAL_SPREAD)
        self.items = self.users if one_kind else nn.Parameter(torch.randn(n_items, dimensions) * INITIAL_SPREAD)

    def forward(self, graph: Graph, noise: float = 0.0) -> tuple[list[Tensor], list[Tensor]]:
        """The vectors of all users and of all items, layer by layer."""
        users: list[Tensor] = [self.users]
        items: list[Tensor] = [self.items]
        for _ in range(self.layers):
            towards_users = _smooth(graph.users.matrix, graph.items.matrix, items[-1])
            towards_items = _smooth(graph.items.matrix, graph.users.matrix, users[-1])
            users.append(_shaken(towards_users, noise))
            items.append(_shaken(towards_items, noise))
        return users, items

    def sampled(
        self, graph: Graph, nodes: Tensor, fanout: int, *, of_users: bool, depth: int | None = None
    ) -> list[Tensor]:
        """Layer by layer the vectors of some nodes, following `fanout` drawn neighbours of each."""
        depth = self.layers if depth is None else depth
        base = self.users if of_users else self.items
        if depth == 0:
            return [base[nodes]]
        side, other = (graph.users, graph.items) if of_users else (graph.items, graph.users)
        first, degrees = side.starts[nodes], side.starts[nodes + 1] - side.starts[nodes]
        chance = torch.rand(len(nodes), fanout, device=nodes.device)
        places = first[:, None] + (chance * degrees[:, None]).long().minimum((degrees[:, None] - 1).clamp(min=0))
        drawn = side.neighbours[places.clamp(max=max(len(side.neighbours) - 1, 0))]
        weights = side.scale[nodes][:, None] * other.scale[drawn] * (degrees[:, None] / fanout)
        weights = weights.masked_fill(degrees[:, None] == 0, 0.0)
        behind = self.sampled(graph, drawn.reshape(-1), fanout, of_users=not of_users, depth=depth - 1)
        width = base.shape[1]
        return [base[nodes], *((layer.view(-1, fanout, width) * weights[:, :, None]).sum(dim=1) for layer in behind)]


class _Smooth(torch.autograd.Function):
    """A sparse product whose gradient is the product with the other side's matrix, which is at hand already."""

    @staticmethod
    def forward(context: Any, matrix: Tensor, back: Tensor, vectors: Tensor) -> Tensor:
        context.back = back
        return matrix @ vectors

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[None, None, Tensor]:
        return None, None, context.back @ gradients[0].contiguous()


def _smooth(matrix: Tensor, back: Tensor, vectors: Tensor) -> Tensor:
    smoothed: Tensor = _Smooth.apply(matrix, back, vectors)  # type: ignore[no-untyped-call]
    return smoothed


def _shaken(vectors: Tensor, noise: float) -> Tensor:
    """Vectors with a step of this length in a drawn direction of the same signs."""
    if not noise:
        return vectors
    step = nn.functional.normalize(torch.rand_like(vectors), dim=1)
    return vectors + torch.sign(vectors) * step * noise


def smoothed(vectors: tuple[np.ndarray, np.ndarray], ties: csr_matrix, layers: int) -> tuple[np.ndarray, np.ndarray]:
    """The vectors of users and of items over another graph, such as tonight's: the mean over the layers."""
    degrees = [_scale(np.asarray(ties.sum(axis=axis)).ravel()) for axis in (1, 0)]
    rows = np.repeat(np.arange(ties.shape[0]), np.diff(ties.indptr))
    damped = csr_matrix(
        ((ties.data * degrees[0][rows] * degrees[1][ties.indices]).astype(np.float32), ties.indices, ties.indptr),
        ties.shape,
    )
    across = csr_matrix(damped.T)
    users, items = [vectors[0]], [vectors[1]]
    for _ in range(layers):
        users, items = [*users, damped @ items[-1]], [*items, across @ users[-1]]
    return np.stack(users).mean(axis=0), np.stack(items).mean(axis=0)


def pairs_of(ties: csr_matrix) -> tuple[Ints, Ints]:
    """Every tie as user and item."""
    return np.repeat(np.arange(ties.shape[0]), np.diff(ties.indptr)), ties.indices.astype(np.int64)
