"""The student: one tower for users, one for items, whose vectors multiply to a score.

A tower takes features and a memory: an item remembers its id's vector, a user the vectors of what was wanted lately.
What the tower makes of the features is added to the memory, so an id that nobody has met yet, whose memory is zero,
gets its vector from features alone. An item's vector ends in a bias and a user's in 1, so the product holds how much
an item is wanted by all.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

INITIAL_SPREAD = 0.05


@dataclass(frozen=True)
class Inputs:
    """The features of a tower's rows."""

    numbers: Tensor
    words: Tensor
    vectors: Tensor


class Tower(nn.Module):
    """Features and a memory as one vector of `memory + 1` places; `biased` towers fill the last one, others put 1."""

    def __init__(
        self, numbers: int, words: Sequence[int], vectors: int, memory: int, hidden: Sequence[int], *, biased: bool
    ) -> None:
        super().__init__()
        self.biased = biased
        embeddings = [nn.Embedding(count, min(16, 2 + count // 2)) for count in words]
        self.words = nn.ModuleList(embeddings)
        width = numbers + vectors + memory + sum(each.embedding_dim for each in embeddings)
        layers: list[nn.Module] = [nn.LayerNorm(width)]
        for size in hidden:
            layers += [nn.Linear(width, size), nn.GELU()]
            width = size
        last = nn.Linear(width, memory + 1)
        nn.init.normal_(last.weight, std=INITIAL_SPREAD / width**0.5)
        nn.init.zeros_(last.bias)
        self.layers = nn.Sequential(*layers, last)
        self.recall = nn.Linear(memory, memory, bias=False)
        nn.init.eye_(self.recall.weight)

    def forward(self, numbers: Tensor, words: Tensor, vectors: Tensor, memory: Tensor) -> Tensor:
        said = [embedding(words[:, place]) for place, embedding in enumerate(self.words)]
        made = self.layers(torch.cat([numbers, vectors, memory, *said], dim=1))
        vector = made[:, :-1] + self.recall(memory)
        last = made[:, -1:] if self.biased else torch.ones_like(made[:, -1:])
        return torch.cat([vector, last], dim=1)


class TwoTower(nn.Module):
    """Both towers, the vectors of ids, and the vectors by which a history is remembered."""

    def __init__(
        self,
        user_inputs: tuple[int, Sequence[int], int],
        item_inputs: tuple[int, Sequence[int], int],
        n_items: int,
        dimensions: int,
        hidden: Sequence[int],
        *,
        with_ids: bool,
    ) -> None:
        super().__init__()
        self.with_ids = with_ids
        self.users = Tower(*user_inputs, dimensions, hidden, biased=False)
        self.items = Tower(*item_inputs, dimensions, hidden, biased=True)
        self.ids = nn.Parameter(torch.randn(n_items, dimensions) * INITIAL_SPREAD, requires_grad=with_ids)
        self.remembered = nn.Parameter(torch.randn(n_items, dimensions) * INITIAL_SPREAD, requires_grad=with_ids)
        if not with_ids:
            nn.init.zeros_(self.ids)
            nn.init.zeros_(self.remembered)

    def start_from(self, remembered: Tensor, ids: Tensor) -> None:
        """Begins with vectors that are known already, such as the teacher's; the others are left."""
        with torch.no_grad():
            for own, given in ((self.remembered, remembered), (self.ids, ids)):
                known = given.isfinite().all(dim=1)
                own[known] = given[known].to(own)

    def recalled(self, starts: Tensor, items: Tensor, weights: Tensor) -> Tensor:
        """The memory of users whose histories stand one after another."""
        return nn.functional.embedding_bag(items, self.remembered, starts[:-1], mode="sum", per_sample_weights=weights)
