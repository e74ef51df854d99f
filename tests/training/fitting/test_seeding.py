"""Chance follows from the seed, and leaves no trace."""

from __future__ import annotations

import pytest
import torch

from training.fitting.seeding import deterministic, generator, mixed


def test_a_seed_decides_what_is_drawn():
    """In the block, whatever was drawn before it."""
    drawn = []
    for before in (1, 2):
        torch.manual_seed(before)
        with deterministic(7):
            assert torch.are_deterministic_algorithms_enabled()
            drawn.append(torch.rand(3).tolist())
    assert drawn[0] == drawn[1]


def test_afterwards_all_is_as_before():
    """Torch's generator and its choice of algorithms, also where the block fails."""
    torch.manual_seed(1)
    expected = torch.rand(2)[1]
    torch.manual_seed(1)
    torch.rand(1)
    with pytest.raises(ValueError, match="broken"), deterministic(7):
        raise ValueError("broken")
    assert torch.rand(1) == expected
    assert not torch.are_deterministic_algorithms_enabled()
    assert torch.utils.deterministic.fill_uninitialized_memory


def test_every_purpose_has_chance_of_its_own():
    """The same numbers draw the same, other numbers draw otherwise."""
    assert generator(1, 2).random() == generator(1, 2).random()
    assert len({generator(1, epoch).random() for epoch in range(50)}) == 50
    assert len({mixed(1, 2), mixed(2, 1), mixed(1, 2, 0, 1), mixed(1)}) == 4
