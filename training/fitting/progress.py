"""How far a fit has come: what it counts, the curves it draws, and where it was at its best."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from daybreak.errors import InputError


@dataclass
class Progress:
    """Counts and curves; `epoch` counts epochs that are done, `batch` batches done of the next. `sums` adds up the
    parts of the loss over the examples of the epoch under way."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    examples: int = 0
    examples_of_epoch: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    curves: dict[str, list[float]] = field(default_factory=dict)
    validation: list[float] = field(default_factory=list)
    best_epoch: int | None = None
    micro_batch: int = 0

    def add(self, examples: int, parts: Iterable[tuple[str, float]]) -> None:
        """Counts one batch, whose parts must be finite."""
        self.batch += 1
        self.step += 1
        self.examples += examples
        self.examples_of_epoch += examples
        for name, value in parts:
            if not math.isfinite(value):
                raise InputError(
                    f"the fit broke off at epoch {self.epoch + 1}, batch {self.batch}: expected {name} to be a finite "
                    f"number, but it is {value}; lower the learning rate or clip_norm, or look for such values in the "
                    "batch"
                )
            self.sums[name] = self.sums.get(name, 0.0) + value * examples

    def end_epoch(self) -> dict[str, float]:
        """Closes the epoch under way; gives its means."""
        if not self.batch:
            raise InputError(
                f"epoch {self.epoch + 1} has no batches: expected at least one, of any size; look at the rows that the "
                "task was given"
            )
        means = {name: total / self.examples_of_epoch for name, total in self.sums.items()}
        for name, mean in means.items():
            self.curves.setdefault(name, []).append(mean)
        self.epoch, self.batch, self.examples_of_epoch, self.sums = self.epoch + 1, 0, 0, {}
        return means

    def judge(self, value: float) -> bool:
        """Notes an epoch's validation value; tells whether it is the best so far."""
        if math.isnan(value):
            raise InputError(
                f"the validation value of epoch {self.epoch} must be a number, but it is NaN: look for it in the "
                "validation of the task"
            )
        self.validation.append(value)
        if self.best_epoch is None or value > self.validation[self.best_epoch - 1]:
            self.best_epoch = self.epoch
            return True
        return False

    def has_waited(self, patience: int) -> bool:
        """Whether the last `patience` epochs brought nothing better."""
        return bool(patience) and self.best_epoch is not None and self.epoch - self.best_epoch >= patience
