"""How weights move: AdamW, and a learning rate that follows from the step alone."""

from __future__ import annotations

import math

import torch
from torch import nn


def optimiser(module: nn.Module, weight_decay: float) -> torch.optim.AdamW:
    """AdamW over what can be learned; biases and scales, which have one dimension, do not decay."""
    learned = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [parameter for parameter in learned if parameter.ndim > 1], "weight_decay": weight_decay},
        {"params": [parameter for parameter in learned if parameter.ndim <= 1], "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]], fused=True)


def rate_at(step: int, steps: int, warmup: int, schedule: str) -> float:
    """The share of the full learning rate at a step, counted from 0: it rises over the first `warmup` steps, then stays
    or falls to zero along half a cosine."""
    if step < warmup:
        return (step + 1) / warmup
    if schedule == "constant":
        return 1.0
    done = min((step - warmup) / max(steps - warmup, 1), 1.0)
    return (1 + math.cos(math.pi * done)) / 2
