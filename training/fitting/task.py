"""What a model brings to be fitted: its module, its batches and its loss. The loop brings all the rest.

A batch is a tensor, or a tuple, dict or dataclass of tensors or None. A part of it can be taken where the first
dimension of each tensor counts the examples; a task whose batches are made otherwise says itself how that is done.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

import torch
from torch import nn

from daybreak.errors import InputError

Batch = TypeVar("Batch")


class Task(ABC, Generic[Batch]):
    """One model's way to learn.

    Whatever is drawn by chance in `batches` comes from `seeding.generator(seed, epoch)`; in `loss` and in the module it
    comes from torch, which the loop seeds for every batch. So the work can be taken up again anywhere.
    """

    module: nn.Module

    @property
    @abstractmethod
    def examples(self) -> int:
        """How many examples an epoch has: the schedule of the learning rate is stretched over them."""

    @abstractmethod
    def batches(self, epoch: int, size: int) -> Iterator[Batch]:
        """The batches of an epoch, counted from 0, of `size` examples each; the last may be shorter. Asked again for
        the same epoch, the same batches in the same order."""

    @abstractmethod
    def loss(self, batch: Batch) -> dict[str, torch.Tensor]:
        """What is minimised, as `loss`, and whatever else is to be told; each a mean over the examples of the batch."""

    def validate(self) -> float | None:
        """How good the module is now, the higher the better; asked after each epoch, without gradients."""
        return None

    def size(self, batch: Batch) -> int:
        """How many examples a batch has: unless the task says otherwise, the rows of its first tensor."""
        return _lengths(batch)[0]

    def take(self, batch: Batch, start: int, end: int) -> Batch:
        """The examples of a batch from `start` to before `end`; asked for where a batch is computed in pieces or by
        several processes."""
        lengths = sorted(set(_lengths(batch)))
        if len(lengths) > 1:
            raise InputError(
                f"a batch of {type(self).__name__} cannot be cut: expected tensors of one length, but they have "
                f"{', '.join(map(str, lengths))} rows; give the task a `take`, or fit it whole and by one process"
            )
        return _each(batch, lambda tensor: tensor[start:end])

    def place(self, batch: Batch, device: torch.device) -> Batch:
        """The batch on the device that computes."""
        return _each(batch, lambda tensor: tensor.to(device, non_blocking=True))


def _each(batch: Any, change: Callable[[torch.Tensor], torch.Tensor]) -> Any:
    """The same batch with each of its tensors changed."""
    if batch is None:
        return None
    if isinstance(batch, torch.Tensor):
        return change(batch)
    if isinstance(batch, dict):
        return {name: _each(part, change) for name, part in batch.items()}
    if isinstance(batch, tuple):
        parts = [_each(part, change) for part in batch]
        return type(batch)(*parts) if hasattr(batch, "_fields") else tuple(parts)
    names = [field.name for field in dataclasses.fields(batch)]
    return dataclasses.replace(batch, **{name: _each(getattr(batch, name), change) for name in names})


def _lengths(batch: Any) -> list[int]:
    """The rows of each tensor, in order."""
    lengths: list[int] = []

    def note(tensor: torch.Tensor) -> torch.Tensor:
        lengths.append(len(tensor))
        return tensor

    _each(batch, note)
    return lengths
