"""What an index is worth on these vectors by the clock: built, searched with more and more effort, and drawn."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from indexing.ann import Ann, build
from indexing.arrays import Floats, Ints
from indexing.choosing import LEAST_ROWS_A_CELL, margin, standard, tuned
from indexing.exact import Exact
from indexing.recall import recall
from indexing.specification import CELLED, Effort, Kind, Specification

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FACTORS = (0.25, 0.5, 1.0, 2.0, 4.0)
"""Efforts of a curve, by the effort that reaches the target."""
LEAST_SECONDS = 0.3
"""So long questions are asked again and again, for a rate that holds."""


@dataclass(frozen=True)
class Measured:
    """One index, searched with one effort. `chosen` is the effort that was found for the target."""

    specification: Specification
    effort: Effort
    recall: float
    queries_per_second: float
    build_seconds: float
    memory_bytes: int
    chosen: bool


@dataclass(frozen=True)
class Questions:
    """Those that an effort is found with, and others that judge it; with the true answers of each."""

    tuning: Floats
    judging: Floats
    truth: Ints
    judged_truth: Ints
    k: int

    @classmethod
    def of(cls, vectors: Floats, tuning: Floats, judging: Floats, k: int) -> Questions:
        exact = Exact(vectors)
        truth, judged_truth = (exact.top_k(each, k)[0] for each in (tuning, judging))
        return cls(tuning, judging, truth, judged_truth, k)


def measured(
    specifications: Sequence[Specification], vectors: Floats, questions: Questions, target: float, seed: int
) -> Iterator[Measured]:
    """A curve for each index: the effort that reaches the target on the questions for tuning, and efforts around it,
    each measured on the others."""
    for specification in specifications:
        began = time.perf_counter()
        ann = build(specification, vectors, seed)
        seconds = time.perf_counter() - began
        memory, chosen = ann.memory_bytes, _tuned(ann, questions, target)
        for effort in _around(specification, chosen):
            share = recall(_found(ann, questions.judging, questions.k, effort), questions.judged_truth)
            rate = _rate(ann, questions, effort)
            yield Measured(specification, effort, share, rate, seconds, memory, effort == chosen)


def _tuned(ann: Ann, questions: Questions, target: float) -> Effort:
    wanted = margin(target, len(questions.tuning), questions.k)
    return tuned(
        ann.specification,
        lambda effort: recall(_found(ann, questions.tuning, questions.k, effort), questions.truth),
        wanted,
    )[0]


def alternatives(rows: int, width: int, memory_bytes: int) -> list[Specification]:
    """An index of each kind that fits the memory and that so many vectors can fill."""
    found = [standard(rows, width, memory_bytes, kind) for kind in Kind]
    enough = [each for each in found if rows >= max(each.cells * LEAST_ROWS_A_CELL, each.least_rows)]
    return [each for each in enough if each.memory_bytes(rows, width) <= memory_bytes]


def best(found: Sequence[Measured], target: float) -> Measured | None:
    """The fastest of those that reach the target."""
    fit = [each for each in found if each.recall >= target]
    return max(fit, key=lambda each: each.queries_per_second, default=None)


def _found(ann: Ann, queries: Floats, k: int, effort: Effort) -> Ints:
    return ann.search(queries, k, effort)[0]


def _rate(ann: Ann, questions: Questions, effort: Effort) -> float:
    """Queries answered in a second, asked all at once."""
    asked, began = 0, time.perf_counter()
    while (seconds := time.perf_counter() - began) < LEAST_SECONDS:
        _found(ann, questions.judging, questions.k, effort)
        asked += len(questions.judging)
    return asked / seconds


def _around(specification: Specification, effort: Effort) -> list[Effort]:
    if specification.kind is Kind.EXACT:
        return [effort]
    found = []
    for factor in FACTORS:
        if specification.kind in CELLED:
            probes = int(np.clip(round(effort.probes * factor), 1, specification.cells))
            found.append(Effort(probes=probes, again=effort.again))
        else:
            found.append(Effort(breadth=max(round(effort.breadth * factor), 1)))
    return list(dict.fromkeys(found))


def plot(found: Sequence[Measured], target: float, title: str) -> Figure:
    """Recall beside speed, a line for each index."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for specification in dict.fromkeys(each.specification for each in found):
        mine = sorted((each for each in found if each.specification == specification), key=lambda each: each.recall)
        axes.plot(
            [each.recall for each in mine],
            [each.queries_per_second for each in mine],
            marker="o",
            markersize=4,
            linewidth=1.2,
            label=str(specification),
        )
    axes.axvline(target, color="0.6", linewidth=1, linestyle="--")
    axes.set(xlabel="recall of the true first hundred", ylabel="queries a second", yscale="log", title=title)
    axes.grid(visible=True, color="0.92")
    axes.legend(frameon=False, fontsize=8)
    return figure
