"""Batches that do not fit the device are computed in smaller pieces, and their gradients added up: the same step, with
less memory. How small is found out once, when the device first runs out."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from daybreak.errors import InputError

Computed = TypeVar("Computed")

log = logging.getLogger("daybreak.fitting")


@contextlib.contextmanager
def told_where_it_does_not_fit() -> Iterator[None]:
    """Makes one sentence of memory that runs out where smaller pieces do not help: of weights, or of a validation."""
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise does_not_fit(str(error)) from error


def does_not_fit(reason: str) -> InputError:
    """Why a fit cannot be on this device at all."""
    return InputError(
        "the module does not fit the device: expected room for it and for at least one example at a time, but found"
        f" none ({reason.splitlines()[0]}); take a smaller module, shorter histories or a device with more memory"
    )


class Pieces:
    """How many examples are computed at once, halved whenever the device has no memory for them."""

    def __init__(self, size: int, tell: Callable[[int], None]) -> None:
        self.size = size
        self.tell = tell

    def compute(
        self, start: int, end: int, piece: Callable[[int, int], Computed], undo: Callable[[], None]
    ) -> list[Computed]:
        """What `piece` gives for each piece of the examples from `start` to `end`; when memory runs out, `undo` and
        all over again with pieces of half the size."""
        while True:
            try:
                return [piece(first, min(first + self.size, end)) for first in range(start, end, self.size)]
            except torch.OutOfMemoryError as error:
                reason = str(error).partition("\n")[0]
            undo()
            self._halve(min(self.size, end - start), reason)

    def _halve(self, tried: int, reason: str) -> None:
        if tried == 1:
            raise does_not_fit(reason)
        self.size = (tried + 1) // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        log.warning("%d examples at once did not fit the device; from now on %d at once", tried, self.size)
        self.tell(self.size)
