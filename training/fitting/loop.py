"""The one loop that fits every model of the house.

A task brings module, batches and loss (`training/fitting/task.py`); the loop brings the optimiser, mixed precision,
accumulation, clipping, the schedule, early stopping, checkpoints, several processes, and what to do when memory runs
out. The same task, configuration, seed and machine give the same weights to the bit, also where a fit was killed and
taken up again from its checkpoint.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field

from daybreak.errors import InputError
from training.fitting import checkpoints
from training.fitting.batch_step import LOSS, NORM, BatchStep
from training.fitting.distributed import CPU, Group, joined
from training.fitting.memory import Pieces, told_where_it_does_not_fit
from training.fitting.optimisation import optimiser, rate_at
from training.fitting.progress import Progress
from training.fitting.seeding import deterministic, seed_torch
from training.fitting.task import Task

Observe = Callable[[str, float, int], None]
"""Is told a name, a value and the number of the step or epoch."""
BATCHES_BETWEEN_READINGS = 50
"""Reading a loss waits for the device, so losses are read some at once."""


class LoopConfig(BaseModel):
    """How a task is fitted; none of it changes what the model is."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    epochs: int = Field(10, ge=1, description="how often every example is seen, at most")
    batch_size: int = Field(1_024, ge=1, description="examples of one step, over all processes")
    accumulate: int = Field(1, ge=1, description="pieces that a process computes its share of a batch in")
    learning_rate: float = Field(1e-3, gt=0, description="of AdamW, at its highest")
    schedule: Literal["cosine", "constant"] = Field(
        "cosine", description="what the learning rate does after warming up"
    )
    warmup_share: float = Field(0.05, ge=0, lt=1, description="share of all steps over which the learning rate rises")
    fading_epochs: float = Field(
        0.0, ge=0, description="epochs in which a weight that nothing teaches falls to a third; 0 keeps it"
    )
    clip_norm: float = Field(1.0, ge=0, description="longest gradient; a longer one is shortened; 0 leaves all as is")
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        "auto", description="of the forward pass; auto is bfloat16 on a GPU and float32 elsewhere"
    )
    patience: int = Field(0, ge=0, description="epochs without a better validation before stopping; 0 never stops")
    checkpoint_every: int = Field(0, ge=0, description="batches between checkpoints; 0 is at ends of epochs alone")

    def weight_decay(self, examples: int) -> float:
        """What AdamW calls so, which works by the step. Told by the epoch it is as strong on many examples as on few
        (Wang and Aitchison, 2024)."""
        if not self.fading_epochs:
            return 0.0
        return 1 / (self.learning_rate * math.ceil(examples / self.batch_size) * self.fading_epochs)


@dataclass(frozen=True)
class FitReport:
    """What came of a fit. Curves hold a mean for each epoch, of the loss, of each of its parts and of the gradient's
    norm; epochs count from 1. The rate is of this process's own run."""

    curves: dict[str, tuple[float, ...]]
    validation: tuple[float, ...]
    best_epoch: int | None
    epochs: int
    steps: int
    examples: int
    micro_batch: int
    examples_per_second: float = field(compare=False)

    @property
    def losses(self) -> tuple[float, ...]:
        return self.curves[LOSS]


def ignore(name: str, value: float, number: int) -> None:
    """Observes nothing."""


def fit(
    task: Task[Any],
    config: LoopConfig,
    *,
    seed: int,
    device: torch.device,
    checkpoint: Path | None = None,
    observe: Observe = ignore,
    belongs_to: str = "",
) -> FitReport:
    """Fits the task's module in place, and leaves it on the device: its last weights, or the best under early stopping.

    Where there is a checkpoint the fit goes on from it; it stays when the fit is done, to be removed once the model is
    safe. `belongs_to` tells what else it is bound to, such as the versions of the tables that the examples come from.
    """
    with joined(device) as group, deterministic(seed), told_where_it_does_not_fit():
        _check(task, config, group)
        task.module.to(group.device)
        group.start_alike(task.module)
        fitting = _Fitting(task, config, seed, group, observe if group.leads else ignore)
        identity = _identity(task, config, seed, group, fitting.half, belongs_to)
        if checkpoint is not None:
            fitting.keep_in(checkpoint, identity)
        return fitting.run()


class _Fitting:
    """A fit under way."""

    def __init__(self, task: Task[Any], config: LoopConfig, seed: int, group: Group, observe: Observe) -> None:
        self.task, self.config, self.group, self.observe = task, config, group, observe
        self.progress = Progress()
        self.best: dict[str, torch.Tensor] | None = None
        self.half = config.precision == "bfloat16" or (config.precision == "auto" and group.device.type == "cuda")
        self.optimiser = optimiser(task.module, config.weight_decay(task.examples))
        size = math.ceil(config.batch_size / (group.size * config.accumulate))
        self.pieces = Pieces(size, lambda fewer: observe("micro_batch", fewer, self.progress.step))
        self.step = BatchStep(task, self.optimiser, group, self.pieces, seed, config.clip_norm, self.half)
        self.steps = config.epochs * math.ceil(task.examples / config.batch_size)
        self.unread: list[tuple[int, torch.Tensor]] = []
        self.seconds, self.examples_before = 0.0, 0
        self.save: Callable[[], None] = lambda: None

    def keep_in(self, path: Path, identity: dict[str, str]) -> None:
        """Goes on from the checkpoint, if there is one, and writes the next ones there."""
        content = self.group.led(lambda: checkpoints.read(path))
        if content is not None:
            state = checkpoints.restored(content, path, identity)
            self.task.module.load_state_dict(state["module"])
            self.optimiser.load_state_dict(state["optimiser"])
            self.best, self.progress = state["best"], Progress(**state["progress"])
            self.pieces.size, self.examples_before = self.progress.micro_batch, self.progress.examples
            self.step.names = tuple(name for name in {**self.progress.sums, **self.progress.curves} if name != NORM)

        def save() -> None:
            self.pieces.size = self.progress.micro_batch = self.group.least(self.pieces.size)
            if self.group.leads:
                checkpoints.save(
                    path,
                    identity,
                    {
                        "module": self.task.module.state_dict(),
                        "optimiser": self.optimiser.state_dict(),
                        "progress": asdict(self.progress),
                        "best": self.best,
                    },
                )

        self.save = save

    def run(self) -> FitReport:
        progress, patience = self.progress, self.config.patience
        while progress.epoch < self.config.epochs and not progress.has_waited(patience):
            began = time.perf_counter()
            self._epoch()
            self.seconds += time.perf_counter() - began
            self._validate()
            self.save()
        if patience and self.best is not None:
            self.task.module.load_state_dict(self.best)
        return FitReport(
            curves={name: tuple(means) for name, means in progress.curves.items()},
            validation=tuple(progress.validation),
            best_epoch=progress.best_epoch,
            epochs=progress.epoch,
            steps=progress.step,
            examples=progress.examples,
            micro_batch=self.pieces.size,
            examples_per_second=(progress.examples - self.examples_before) / max(self.seconds, 1e-9),
        )

    def _epoch(self) -> None:
        """What is left of the epoch under way."""
        config, done = self.config, self.progress.batch
        warmup = round(config.warmup_share * self.steps)
        self.task.module.train()
        batches = (
            batch for batch in self.task.batches(self.progress.epoch, config.batch_size) if self.task.size(batch)
        )
        for number, batch in islice(enumerate(batches), done, None):
            step = self.progress.step + len(self.unread)
            rate = config.learning_rate * rate_at(step, self.steps, warmup, config.schedule)
            examples = self.task.size(batch)
            self.unread.append((examples, self.step.go(batch, self.progress.epoch, number, rate)))
            if len(self.unread) == BATCHES_BETWEEN_READINGS:
                self._read()
            if config.checkpoint_every and (number + 1) % config.checkpoint_every == 0:
                self._read()
                self.save()
        self._read()
        for name, mean in self.progress.end_epoch().items():
            self.observe(f"epoch/{name}", mean, self.progress.epoch)

    def _read(self) -> None:
        """Reads the losses of the batches since the last reading, and tells their means."""
        if not self.unread:
            return
        names = (*self.step.names, NORM)
        rows = torch.stack([means for _, means in self.unread]).tolist()
        for (examples, _), row in zip(self.unread, rows, strict=True):
            self.progress.add(examples, zip(names, row, strict=True))
        for name, values in zip(names, zip(*rows, strict=True), strict=True):
            self.observe(f"batch/{name}", sum(values) / len(values), self.progress.step)
        self.observe("batch/learning_rate", self.optimiser.param_groups[0]["lr"], self.progress.step)
        self.unread.clear()

    def _validate(self) -> None:
        """Has the task judge its module, and keeps the weights that early stopping goes back to."""
        progress, module = self.progress, self.task.module
        module.eval()
        with torch.no_grad():
            seed_torch(self.group.device, self.step.seed, progress.epoch)
            value = self.group.led(self.task.validate)
        if value is None:
            if self.config.patience:
                raise InputError(
                    f"early stopping after {self.config.patience} epochs needs a validation value, but the task has "
                    "none: give it a validation, or set patience to 0"
                )
            return
        if progress.judge(value) and self.config.patience:
            self.best = {name: tensor.detach().to(CPU, copy=True) for name, tensor in module.state_dict().items()}
        self.observe("epoch/validation", value, progress.epoch)


def _check(task: Task[Any], config: LoopConfig, group: Group) -> None:
    """Every process must have something to do in the first batch."""
    if min(task.examples, config.batch_size) < group.size:
        raise InputError(
            f"a fit by {group.size} processes needs at least as many examples in an epoch and in a batch, but has "
            f"{task.examples} and {config.batch_size}: start fewer processes"
        )


def _identity(
    task: Task[Any], config: LoopConfig, seed: int, group: Group, half: bool, belongs_to: str
) -> dict[str, str]:
    """All that makes a fit what it is, in words: a checkpoint is taken up by the very same fit alone."""
    shapes = [(name, tuple(tensor.shape), str(tensor.dtype)) for name, tensor in task.module.state_dict().items()]
    told: dict[str, Any] = {
        **config.model_dump(exclude={"checkpoint_every"}),
        "seed": seed,
        "examples": task.examples,
        "module": hashlib.sha256(repr(shapes).encode()).hexdigest()[:12],
        "processes": group.size,
        "device": group.device.type,
        "half precision": half,
        "belongs_to": belongs_to,
    }
    return {name: str(value) for name, value in told.items()}
