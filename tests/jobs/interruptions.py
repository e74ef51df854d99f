"""Runs of a step that end between two of its commits."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

import pytest

from daybreak.lake import Commit
from daybreak.step_io import StepIO


@contextmanager
def ended_at_commit(number: int) -> Iterator[None]:
    """The step run in the block ends where it would make its commit of that number, from 1."""
    commits, write = count(1), StepIO.write

    def write_or_end(io: StepIO, *arguments: Any, **named: Any) -> Commit:
        if next(commits) == number:
            raise RuntimeError("the run ended")
        return write(io, *arguments, **named)

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(StepIO, "write", write_or_end)
        with pytest.raises(RuntimeError, match="the run ended"):
            yield
