"""Chance that comes out the same again: every draw follows from the seed and from what it is drawn for.

No generator's state is ever kept. What is drawn for epoch 3 depends on the seed and on 3, not on what was drawn before,
so a fit that is taken up in the middle draws what it would have drawn.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch


def mixed(*numbers: int) -> int:
    """One seed out of several numbers."""
    return int.from_bytes(hashlib.blake2b(repr(numbers).encode(), digest_size=8).digest())


def generator(*numbers: int) -> np.random.Generator:
    """Chance for one purpose, such as `generator(seed, epoch)` for the order of an epoch."""
    return np.random.default_rng(numbers)


def seed_torch(device: torch.device, *numbers: int) -> None:
    """Has torch draw, on the processor and the device, what follows from the numbers.

    Unlike `torch.manual_seed`, which looks for devices of every kind, this is cheap enough for each batch.
    """
    torch.default_generator.manual_seed(mixed(*numbers))
    if device.type == "cuda":
        torch.cuda.manual_seed(mixed(*numbers))


@contextlib.contextmanager
def deterministic(seed: int) -> Iterator[None]:
    """Seeds torch and has it take only algorithms that give the same bits again; afterwards all is as it was before.

    An operation that has none fails with torch's own words. Weights are the same when modules are also made in such a
    block.
    """
    if torch.cuda.is_available():
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    strict, warn_only = (
        torch.are_deterministic_algorithms_enabled(),
        torch.is_deterministic_algorithms_warn_only_enabled(),
    )
    memory: Any = torch.utils.deterministic
    filled = memory.fill_uninitialized_memory
    with torch.random.fork_rng(devices=range(torch.cuda.device_count())):
        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True)
        memory.fill_uninitialized_memory = False  # would write all memory twice, and nothing reads it unwritten
        try:
            yield
        finally:
            torch.use_deterministic_algorithms(strict, warn_only=warn_only)
            memory.fill_uninitialized_memory = filled
