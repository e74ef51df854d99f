"""A small regression to fit, here and in processes of its own: `python -m tests.training.fitting.toys OUT CHECKPOINT`.

A process of its own writes what it fitted to OUT, a file for each rank, and dies by SIGKILL at the loss that DIE_AT
counts, if it is given.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import torch
from torch import nn

from training.fitting.loop import FitReport, LoopConfig, fit
from training.fitting.seeding import deterministic, generator
from training.fitting.task import Task

EXAMPLES, WIDTH, SEED = 97, 6, 11
CONFIG = LoopConfig(epochs=4, batch_size=16, learning_rate=0.02, checkpoint_every=3)
CPU = torch.device("cpu")
Pair = tuple[torch.Tensor, torch.Tensor]


class Regression(Task[Pair]):
    """Learns a line through noise, by a module that draws by chance where it has dropout.

    `validations` are told one after another instead of an honest value; `die_at`, `spoil_at` and `crowded_at` count
    losses from 1; more than `room` examples at once do not fit the device, nor do any when it is crowded.
    """

    def __init__(
        self, dropout=0.0, validations=(), die_at=0, spoil_at=0, crowded_at=0, room=EXAMPLES, spoil=torch.nan
    ) -> None:
        chance = torch.Generator().manual_seed(5)
        self.inputs = torch.randn(EXAMPLES, WIDTH, generator=chance)
        self.truth = self.inputs.sum(dim=1) + 0.1 * torch.randn(EXAMPLES, generator=chance)
        with deterministic(3):
            self.module = nn.Sequential(
                nn.Linear(WIDTH, 16), nn.ReLU(), nn.Dropout(dropout), nn.LayerNorm(16), nn.Linear(16, 1)
            )
        self.module[3].requires_grad_(False)
        self.validations, self.die_at, self.spoil_at, self.room, self.spoil = validations, die_at, spoil_at, room, spoil
        self.crowded_at = crowded_at
        self.losses = 0
        self.weights_when_validated: list[dict[str, torch.Tensor]] = []

    @property
    def examples(self) -> int:
        return EXAMPLES

    def batches(self, epoch: int, size: int) -> Iterator[Pair]:
        order = torch.from_numpy(generator(SEED, epoch).permutation(EXAMPLES))
        for rows in order.split(size):
            yield self.inputs[rows], self.truth[rows]

    def loss(self, batch: Pair) -> dict[str, torch.Tensor]:
        self.losses += 1
        if self.losses == self.die_at:
            os.kill(os.getpid(), signal.SIGKILL)
        inputs, truth = batch
        if len(inputs) > self.room or self.losses == self.crowded_at:
            raise torch.OutOfMemoryError(f"no room for {len(inputs)}")
        missed = self.module(inputs).squeeze(1) - truth
        spoiled = self.spoil if self.losses == self.spoil_at else 1.0
        return {"loss": (missed**2).mean() * spoiled, "missed_by": missed.abs().mean()}

    def validate(self) -> float | None:
        self.weights_when_validated.append(weights(self))
        if self.validations:
            return self.validations[len(self.weights_when_validated) - 1]
        return -float(((self.module(self.inputs).squeeze(1) - self.truth) ** 2).mean())


def weights(task: Regression) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in task.module.state_dict().items()}


def equal(some: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> bool:
    """To the bit."""
    return some.keys() == others.keys() and all(torch.equal(some[name], others[name]) for name in some)


def close(some: dict[str, torch.Tensor], others: dict[str, torch.Tensor]) -> bool:
    return all(torch.allclose(some[name], others[name], rtol=1e-5, atol=1e-5) for name in some)


def fitted(task: Regression, config: LoopConfig = CONFIG, seed: int = 1, **more) -> FitReport:
    return fit(task, config, seed=seed, device=CPU, **more)


def main() -> None:
    torch.set_num_threads(1)
    out, checkpoint = map(Path, sys.argv[1:])
    task = Regression(dropout=float(os.environ["DROPOUT"]), die_at=int(os.environ.get("DIE_AT", "0")))
    told: list[tuple[str, float, int]] = []
    report = fitted(task, checkpoint=checkpoint, observe=lambda *observed: told.append(observed))
    rank = os.environ.get("RANK", "0")
    torch.save({"weights": weights(task), "report": asdict(report), "told": told}, out / f"{rank}.pt")


if __name__ == "__main__":
    main()
