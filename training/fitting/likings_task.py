"""Teaching likings: of what was shown to a user, what was clicked, of that what was put in the cart, of that what was
bought. Rows that were not shown say nothing of what a user made of them."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional

from training.data.rows import Batch, RowBatches
from training.fitting.task import Task
from training.models.likings import Likings
from training.models.ranker import NOWHERE


class LikingsTask(Task[Batch]):
    """Likings, with how often each place of each shelf is looked at; `chained` heads are each given the one before."""

    def __init__(self, likings: Likings, rows: RowBatches, *, surfaces: int, positions: int, chained: bool) -> None:
        self.module = _Shown(likings, surfaces, positions)
        self._likings, self._rows, self._chained = likings, rows, chained

    @property
    def examples(self) -> int:
        return self._rows.rows

    def batches(self, epoch: int, size: int) -> Iterator[Batch]:
        return self._rows.batches(epoch, size)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The cross entropy of all heads, with the penalty's share of the batch."""
        logits = self.module(batch["words"], batch["surface"], batch["position"])
        losses = functional.binary_cross_entropy_with_logits(logits, batch["labels"], reduction="none")
        weights = asked(batch["labels"], chained=self._chained) * (batch["position"] != NOWHERE)[:, None]
        return {"loss": (losses * weights).sum() / len(logits) + self._likings.penalty() / self.examples}


def asked(labels: Tensor, *, chained: bool) -> Tensor:
    """Which rows each head is asked about: all, or those of which the head before came true."""
    if not chained:
        return torch.ones_like(labels)
    return torch.cat([torch.ones_like(labels[:, :1]), labels[:, :-1]], dim=1)


class _Shown(nn.Module):
    """Likings where an item was shown."""

    def __init__(self, likings: Likings, surfaces: int, positions: int) -> None:
        super().__init__()
        self.likings = likings
        heads = len(likings.base)
        self.surface_bias = nn.Embedding(surfaces + 1, heads, padding_idx=NOWHERE)
        self.position_bias = nn.Embedding(positions + 1, heads, padding_idx=NOWHERE)
        for bias in (self.surface_bias, self.position_bias):
            nn.init.zeros_(bias.weight)

    def forward(self, words: Tensor, surface: Tensor, position: Tensor) -> Tensor:
        logits: Tensor = self.likings(words) + self.surface_bias(surface) + self.position_bias(position)
        return logits
