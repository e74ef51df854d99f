"""The ranker: how likely a user is to click an item, put it in the cart and buy it, from the features of the two.

Words are embedded and stand beside numbers and vectors. Cross layers (DCN-v2, of low rank where asked) multiply
features with each other, a deep part bends them, and both feed experts that the heads share: gated for each head alone
(MMoE), or with experts of its own beside the shared ones (PLE). Heads may follow each other, as nobody buys what was
never clicked: then each says how likely it is given the one before (ESMM), and what comes out is the product.

People click what stands on top. Where a row tells the shelf and the place it was shown at, a bias of these two is added
in training, so that the rest need not explain it; `forward`, which serves, knows nothing of either.

Users and items may be known by their ids too, as words. In training an id is hidden now and then, so that those that
came later are ranked by their features. What users like by ids alone (`training/models/likings.py`) is learned by
itself and joined to the finished rest: `shares` say how much each counts in each head.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from daybreak.features.encoder import UNSEEN
from training.export.prune import Neurons, between
from training.models.likings import Likings

Mixing = Literal["mmoe", "ple"]
NOWHERE = 0
"""The shelf or the place of a row that was not shown: it has no bias."""
ALMOST_NEVER = 1e-6
WORD_SPREAD = 0.05


class Ranker(nn.Module):
    """Logits of each head, from features alone."""

    def __init__(
        self,
        numbers: int,
        word_counts: Sequence[int],
        vector_width: int,
        *,
        heads: Sequence[str],
        surfaces: int,
        positions: int,
        word_width: int = 8,
        cross_layers: int = 2,
        cross_rank: int | None = 32,
        deep: Sequence[int] = (128, 64),
        mixing: Mixing = "mmoe",
        experts: int = 4,
        expert_width: int = 64,
        head_width: int = 32,
        dropout: float = 0.1,
        chained: bool = True,
        ids: Sequence[int] = (),
        ids_hidden: float = 0.0,
    ) -> None:
        super().__init__()
        self.heads = tuple(heads)
        self.ids, self.ids_hidden = list(ids), ids_hidden
        self.chained = chained
        self.words = nn.ModuleList(_words(count, word_width) for count in word_counts)
        width = numbers + vector_width + word_width * len(word_counts)
        self.crosses = nn.ModuleList(Cross(width, cross_rank) for _ in range(cross_layers))
        self.deep = _deep(width, deep, dropout)
        mixed = GatedExperts if mixing == "mmoe" else OwnAndSharedExperts
        self.experts: Experts = mixed(
            width + ([width, *deep][-1] if deep else 0), len(self.heads), experts, expert_width
        )
        self.towers = nn.ModuleList(Head(expert_width, head_width, dropout) for _ in self.heads)
        self.likings: Likings | None = None
        self.shares: Tensor
        self.register_buffer("shares", torch.stack([torch.ones(len(heads)), torch.zeros(len(heads))]))
        self.surface_bias = nn.Embedding(surfaces + 1, len(self.heads), padding_idx=NOWHERE)
        self.position_bias = nn.Embedding(positions + 1, len(self.heads), padding_idx=NOWHERE)
        for bias in (self.surface_bias, self.position_bias):
            nn.init.zeros_(bias.weight)

    def forward(self, numbers: Tensor, words: Tensor, vectors: Tensor) -> Tensor:
        """Logits by row and head, wherever an item may be shown."""
        logits = self.by_features(numbers, words, vectors)
        if self.likings is not None:
            logits = logits * self.shares[0] + self.likings(words) * self.shares[1]
        return self._follow(logits)

    def where_shown(self, numbers: Tensor, words: Tensor, vectors: Tensor, surface: Tensor, position: Tensor) -> Tensor:
        """Logits by row and head of what was shown there; `NOWHERE` adds nothing."""
        bias = self.surface_bias(surface) + self.position_bias(position)
        return self._follow(self.by_features(numbers, words, vectors) + bias)

    def join(self, likings: Likings, shares: Tensor) -> None:
        """Lets likings count from now on: `shares` are what features and likings count in each head."""
        self.likings, self.shares = likings, shares

    def neurons(self) -> list[Neurons]:
        """What can be pruned: neurons of the deep part, of all experts at one place, and of the heads."""
        heads = [head for head in self.towers if isinstance(head, Head)]
        experts, groups = self.experts, between(self.deep)
        layers = [layer for layer in self.deep if isinstance(layer, nn.Linear)]
        for last in layers[-1:]:
            start = experts.layer.in_features - last.out_features
            groups.append(Neurons(last.out_features, [(last, 0)], [(layer, start) for layer in experts.listeners]))
        width = experts.expert_width
        at_one_place = [(experts.layer, number * width) for number in range(experts.count)]
        groups.append(Neurons(width, at_one_place, [(head.first, 0) for head in heads], experts.narrow))
        return groups + [group for head in heads for group in between(head.rest)]

    def by_features(self, numbers: Tensor, words: Tensor, vectors: Tensor) -> Tensor:
        """What features alone say, before heads follow each other."""
        if self.training and self.ids_hidden and self.ids:
            words = self._some_hidden(words)
        embedded = [embedding(words[:, place]) for place, embedding in enumerate(self.words)]
        features = torch.cat([numbers, *embedded, vectors], dim=1)
        crossed = features
        for cross in self.crosses:
            crossed = cross(features, crossed)
        both = torch.cat([crossed, self.deep(features)], dim=1) if len(self.deep) else crossed
        mixed = self.experts(both)
        return torch.cat([head(mixed[:, place]) for place, head in enumerate(self.towers)], dim=1)

    def _some_hidden(self, words: Tensor) -> Tensor:
        """The words, with some ids as if they had never been seen."""
        hidden = torch.rand(len(words), len(self.ids), device=words.device) < self.ids_hidden
        words = words.clone()
        words[:, self.ids] = words[:, self.ids].masked_fill(hidden, UNSEEN)
        return words

    def _follow(self, logits: Tensor) -> Tensor:
        """Where heads are chained, each logit of the product of its own chance and those before it."""
        if not self.chained:
            return logits
        logarithms = torch.cumsum(-functional.softplus(-logits), dim=1)
        return logarithms - torch.log((1 - torch.exp(logarithms)).clamp(min=ALMOST_NEVER))


class Head(nn.Module):
    """The logit of one head."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.first = nn.Linear(width, hidden)
        self.rest = nn.Sequential(self.first, nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, 1))

    def forward(self, features: Tensor) -> Tensor:
        logit: Tensor = self.rest(features)
        return logit


class Cross(nn.Module):
    """One cross layer: each feature times a mixture of all, added to what came before (Wang et al., 2021)."""

    def __init__(self, width: int, rank: int | None) -> None:
        super().__init__()
        whole = rank is None or rank >= width
        self.mix = nn.Linear(width, width) if whole else _thin(width, int(rank or 0))

    def forward(self, features: Tensor, crossed: Tensor) -> Tensor:
        product: Tensor = features * self.mix(crossed)
        return product + crossed


class Experts(nn.Module):
    """Experts of one layer each, side by side, and a gate for each head that weighs those which the head hears."""

    def __init__(self, width: int, heads: int, count: int, heard: int, expert_width: int) -> None:
        super().__init__()
        self.count, self.expert_width = count, expert_width
        self.layer = nn.Linear(width, count * expert_width)
        self.gates = nn.ModuleList(nn.Linear(width, heard) for _ in range(heads))

    @property
    def listeners(self) -> list[nn.Linear]:
        """All layers that hear the features."""
        return [self.layer, *(gate for gate in self.gates if isinstance(gate, nn.Linear))]

    def told(self, features: Tensor) -> Tensor:
        """By row, expert and place."""
        return functional.relu(self.layer(features)).view(-1, self.count, self.expert_width)

    def narrow(self, expert_width: int) -> None:
        self.expert_width = expert_width


class GatedExperts(Experts):
    """All experts are shared; each head weighs them for each row (MMoE)."""

    def __init__(self, width: int, heads: int, experts: int, expert_width: int) -> None:
        super().__init__(width, heads, experts, experts, expert_width)

    def forward(self, features: Tensor) -> Tensor:
        """By row, head and place."""
        weights = torch.stack([torch.softmax(gate(features), dim=1) for gate in self.gates], dim=1)
        return weights @ self.told(features)


class OwnAndSharedExperts(Experts):
    """Half of the experts are shared, and each head has as many of its own beside them (PLE)."""

    def __init__(self, width: int, heads: int, experts: int, expert_width: int) -> None:
        shared, own = max(1, experts // 2), max(1, experts - experts // 2)
        super().__init__(width, heads, shared + heads * own, shared + own, expert_width)
        self.shared, self.own = shared, own

    def forward(self, features: Tensor) -> Tensor:
        """By row, head and place."""
        told, mixed = self.told(features), []
        for head, gate in enumerate(self.gates):
            first = self.shared + head * self.own
            heard = torch.cat([told[:, : self.shared], told[:, first : first + self.own]], dim=1)
            mixed.append((torch.softmax(gate(features), dim=1)[:, None] @ heard)[:, 0])
        return torch.stack(mixed, dim=1)


def _words(count: int, width: int) -> nn.Embedding:
    """Words that mean little as yet."""
    embedding = nn.Embedding(count, width)
    nn.init.normal_(embedding.weight, std=WORD_SPREAD)
    return embedding


def _deep(width: int, hidden: Sequence[int], dropout: float) -> nn.Sequential:
    """Layers with bends between them."""
    layers: list[nn.Module] = []
    for size in hidden:
        layers += [nn.Linear(width, size), nn.ReLU(), nn.Dropout(dropout)]
        width = size
    return nn.Sequential(*layers)


def _thin(width: int, rank: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, rank, bias=False), nn.Linear(rank, width))


def masked_loss(logits: Tensor, labels: Tensor, weights: Tensor) -> Tensor:
    """The cross entropy of each head, weighed row by row; a weight of 0 takes a row out of that head."""
    losses = functional.binary_cross_entropy_with_logits(logits, labels, weights, reduction="none")
    return losses.mean(dim=0)
