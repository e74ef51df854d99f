"""Teaching the ranker: encoded training rows, where each was shown, and what came of it.

A row that was not shown (sampled, or wanted unprompted) stands nowhere and weighs `unshown_weight`; of two rows of one
kind neither counts more.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from torch import Tensor

from daybreak.features.encoder import FeatureEncoder
from daybreak.features.training import SHOWN
from training.data.rows import Arrays, Batch, RowBatches
from training.fitting.task import Task
from training.models.ranker import Ranker, masked_loss

SURFACE, POSITION, KIND = "surface", "position", "kind"
SCORED_AT_ONCE = 8_192


@dataclass(frozen=True)
class RankerRows:
    """How training rows become what the ranker learns from. `shelves` encodes the surface alone."""

    features: FeatureEncoder
    shelves: FeatureEncoder
    labels: tuple[str, ...]
    positions: int
    unshown_weight: float

    @property
    def columns(self) -> tuple[str, ...]:
        return ("row_id", KIND, SURFACE, POSITION, *self.labels, *self.features.columns)

    @property
    def surfaces(self) -> int:
        """The largest number of a shelf."""
        return self.shelves.word_counts[0] - 1

    def __call__(self, rows: pa.RecordBatch) -> Arrays:
        """The rows as arrays by name, without those that weigh nothing."""
        shown = pc.equal(rows[KIND], SHOWN).to_numpy(zero_copy_only=False)
        weights = np.where(shown, 1.0, self.unshown_weight).astype(np.float32)
        if not weights.all():
            rows, weights = rows.filter(pa.array(weights > 0)), weights[weights > 0]
        encoded = self.features.encode(rows)
        place = pc.min_element_wise(rows[POSITION].cast(pa.int64()), self.positions - 1, skip_nulls=False)
        return {
            "numbers": encoded.numbers,
            "words": encoded.words,
            "vectors": encoded.vectors,
            "surface": self.shelves.encode(rows).words[:, 0],
            "position": pc.fill_null(pc.add(place, 1), 0).to_numpy(zero_copy_only=False),
            "labels": labels_of(rows, self.labels),
            "weights": weights,
        }


def labels_of(rows: pa.RecordBatch | pa.Table, labels: Sequence[str]) -> NDArray[np.float32]:
    """Ones and zeros, a column for each label."""
    columns = [rows[name].to_numpy(zero_copy_only=False) if isinstance(rows, pa.RecordBatch) else rows[name].to_numpy()
               for name in labels]  # fmt: skip
    return np.stack(columns, axis=1).astype(np.float32)


class RankerTask(Task[Batch]):
    """The ranker, its batches and its loss; `validation` are rows to tell how good it is after each epoch."""

    def __init__(self, module: Ranker, rows: RowBatches, validation: Batch | None = None) -> None:
        self.module: Ranker = module
        self._rows, self._validation = rows, validation

    @property
    def examples(self) -> int:
        return self._rows.rows

    def batches(self, epoch: int, size: int) -> Iterator[Batch]:
        return self._rows.batches(epoch, size)

    def loss(self, batch: Batch) -> dict[str, Tensor]:
        """The cross entropy of the heads together, and of each."""
        logits = self.module.where_shown(
            batch["numbers"], batch["words"], batch["vectors"], batch["surface"], batch["position"]
        )
        losses = masked_loss(logits, batch["labels"], batch["weights"][:, None].expand_as(logits))
        return {"loss": losses.sum(), **dict(zip(self.module.heads, losses, strict=True))}

    def validate(self) -> float | None:
        """How much of what happened is said, as serving would: without knowing where it was shown."""
        if self._validation is None:
            return None
        rows = self.place(self._validation, next(self.module.parameters()).device)
        self.module.eval()
        parts = zip(*(torch.split(rows[name], SCORED_AT_ONCE) for name in ("numbers", "words", "vectors")), strict=True)
        logits = torch.cat([self.module(*part) for part in parts])
        return -float(masked_loss(logits, rows["labels"], rows["weights"][:, None].expand_as(logits)).sum())
