"""Batches of every form are counted, cut and moved."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import pytest
import torch

from daybreak.errors import InputError
from tests.training.fitting.toys import CPU, Regression


class Named(NamedTuple):
    numbers: torch.Tensor
    words: torch.Tensor


@dataclass(frozen=True)
class Held:
    named: Named
    more: dict[str, torch.Tensor]
    absent: torch.Tensor | None
    pair: tuple[torch.Tensor, torch.Tensor]


def held(numbers: torch.Tensor) -> Held:
    return Held(Named(numbers, numbers * 2), {"third": numbers * 3}, None, (numbers, numbers))


def test_a_part_has_the_form_of_the_batch():
    """Tuples, dicts and dataclasses within each other; what is absent stays so."""
    task, batch = Regression(), held(torch.arange(5))
    assert task.size(batch) == 5
    part, expected = task.place(task.take(batch, 1, 3), CPU), held(torch.arange(1, 3))
    assert type(part.named) is Named
    assert str(part) == str(expected)


def test_a_batch_without_rows_cannot_be_cut():
    """Where tensors count different things, the task must say how a part is taken."""
    with pytest.raises(InputError, match=r"a batch of Regression cannot be cut: .* they have 2, 3 rows"):
        Regression().take((torch.zeros(3), torch.zeros(2)), 0, 1)
