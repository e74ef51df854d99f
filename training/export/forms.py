"""The forms of one model side by side: how large, how fast, how good."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

Answers = TypeVar("Answers")
REPEATS = 5


@dataclass(frozen=True)
class Candidate(Generic[Answers]):
    """A form on disk, and what runs it over the rows that judge."""

    path: Path
    run: Callable[[], Answers]


@dataclass(frozen=True)
class Form:
    """One line of the table."""

    name: str
    size_bytes: int
    microseconds_per_1000_rows: float
    quality: float


def compared(
    candidates: Mapping[str, Candidate[Answers]],
    rows: int,
    quality: Callable[[Answers], float],
    *,
    repeats: int = REPEATS,
    clock: Callable[[], float] = time.perf_counter,
) -> list[Form]:
    """Each form's size, its fastest time of some, and its quality, over the same rows."""
    table = []
    for name, candidate in candidates.items():
        answers, seconds = candidate.run(), []
        for _ in range(repeats):
            began = clock()
            answers = candidate.run()
            seconds.append(clock() - began)
        fastest = min(seconds) * 1e6 / rows * 1_000
        table.append(Form(name, candidate.path.stat().st_size, fastest, quality(answers)))
    return table
