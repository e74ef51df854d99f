"""One batch, one step: loss and gradients of this process's share, added up over pieces and processes, then AdamW."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from training.fitting.distributed import Group
from training.fitting.memory import Pieces
from training.fitting.seeding import seed_torch
from training.fitting.task import Task

LOSS, NORM = "loss", "gradient_norm"


@dataclass
class BatchStep:
    """What a step needs that stays the same from batch to batch. `names` are those of the loss's parts, known from the
    first batch on; the norm of the gradient is told beside them."""

    task: Task[Any]
    optimiser: torch.optim.Optimizer
    group: Group
    pieces: Pieces
    seed: int
    clip_norm: float
    half: bool
    names: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        self.parameters = [parameter for part in self.optimiser.param_groups for parameter in part["params"]]

    def go(self, batch: Any, epoch: int, number: int, rate: float) -> torch.Tensor:
        """Moves the weights by one batch at a learning rate; gives the mean of each part over the whole batch.

        The mean over a batch is the sum of the means over its pieces, each by its share of the examples. So it does not
        matter into how many pieces a batch is cut, but for rounding.
        """
        whole = self.task.size(batch)

        def piece(start: int, end: int) -> torch.Tensor:
            seed_torch(self.group.device, self.seed, epoch, number, start)
            part = batch if end - start == whole else self.task.take(batch, start, end)
            with torch.autocast(self.group.device.type, torch.bfloat16, enabled=self.half):
                losses = self.task.loss(self.task.place(part, self.group.device))
            share = (end - start) / whole
            (losses[LOSS] * share).backward()  # type: ignore[no-untyped-call]
            self.names = (LOSS, *sorted(losses.keys() - {LOSS}))
            return torch.stack([losses[name].detach().float() * share for name in self.names])

        computed = self.pieces.compute(*self.group.share(whole), piece, self.optimiser.zero_grad)
        means = torch.stack(computed).sum(dim=0) if computed else torch.zeros(len(self.names), device=self.group.device)
        self.group.add_up(means)
        self.group.add_up_gradients(self.parameters)
        norm = torch.nn.utils.clip_grad_norm_(self.parameters, self.clip_norm or math.inf)
        for part in self.optimiser.param_groups:
            part["lr"] = rate
        self.optimiser.step()
        self.optimiser.zero_grad()
        return torch.cat([means, norm.float().reshape(1)])
