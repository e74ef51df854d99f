"""Which index, and how hard it is searched: from size, memory and the recall that is asked for.

The kind follows from size and memory by rule, the effort from a bounded search against exact truth; neither asks the
clock, so a night that is built again chooses the same. Who wants to choose by the clock measures: `daybreak index
choose` and the benchmark do, with the functions of `indexing.measuring`.
"""

from __future__ import annotations

from collections.abc import Callable

from indexing.specification import CELLED, CODED, Effort, Kind, Specification

CELLS_BY_ROOT, LEAST_ROWS_A_CELL = 6, 39
"""Cells by the square root of the vectors, which makes looking for cells and into them cost alike; and vectors that a
cell holds at least."""
EXACT_UP_TO = 100_000
"""So many vectors are searched exactly nearly as fast as by any index, and nothing is overlooked."""
MOST_AGAIN = 32
LEAST_BREADTH, MOST_BREADTH = 100, 4_096
"""Of the walk through a graph, which is at least as broad as the longest list that recall is asked of."""
RecallWith = Callable[[Effort], float]
"""The recall of a search with some effort."""


def standard(rows: int, width: int, memory_bytes: int, kind: Kind | None = None) -> Specification:
    """The index for so many vectors within so much memory beside them; of a kind, where that is given."""
    if kind is None:
        kinds = (Kind.IVF_SQ8, Kind.IVF_PQ)
        if rows <= EXACT_UP_TO:
            return Specification(Kind.EXACT)
        fitting = [each for each in kinds if _of(each, rows, width).memory_bytes(rows, width) <= memory_bytes]
        kind = fitting[0] if fitting else kinds[-1]
    return _of(kind, rows, width)


def _of(kind: Kind, rows: int, width: int) -> Specification:
    """The usual numbers of a kind for so many vectors."""
    if kind is Kind.EXACT:
        return Specification(kind)
    if kind is Kind.HNSW:
        return Specification(kind, links=32, breadth=200)
    cells = max(min(round(CELLS_BY_ROOT * rows**0.5), rows // LEAST_ROWS_A_CELL), 1)
    if kind in (Kind.IVF_PQ, Kind.IVF_PQ4):
        return Specification(kind, cells, parts=max(width // 2, 1))
    return Specification(kind, cells)


def tuned(specification: Specification, recall_with: RecallWith, target: float) -> tuple[Effort, float]:
    """The least effort whose recall reaches the target, and that recall; else the most there is."""
    if specification.kind is Kind.EXACT:
        return Effort(), 1.0
    again = 1

    def reached(number: int) -> float:
        return recall_with(_effort(specification, number, again))

    least, most = (1, specification.cells) if specification.kind in CELLED else (LEAST_BREADTH, MOST_BREADTH)
    if specification.kind in CODED:
        again = _again(target, lambda often: recall_with(_effort(specification, max(most // 8, 1), often)))
    number = _least(reached, least, most, target)
    return _effort(specification, number, again), reached(number)


def _again(target: float, reached: Callable[[int], float]) -> int:
    """How often more than is asked for must be scored again: until the target is reached, or more is of no use, because
    what is missing lies in cells that are not looked into."""
    again, before = 1, reached(1)
    while again < MOST_AGAIN and before < target:
        now = reached(again * 2)
        if now - before < (1 - target) / 10:
            break
        again, before = again * 2, now
    return again


def _effort(specification: Specification, number: int, again: int) -> Effort:
    if specification.kind in CELLED:
        return Effort(probes=number, again=again)
    return Effort(breadth=number)


def _least(reached: Callable[[int], float], least: int, most: int, target: float) -> int:
    """The least number from `least` to `most` that reaches the target, where more never reaches less; `most` where none
    does."""
    low, high = least - 1, least
    while high < most and reached(high) < target:
        low, high = high, high * 2
    high = min(high, most)
    while high - low > max(high // 16, 1):
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) >= target else (middle, high)
    return high


def margin(target: float, questions: int, k: int) -> float:
    """The target that a sample must reach for all to reach it: above by three standard errors, as if what is found
    were drawn, and half of what is missing at most."""
    error = (target * (1 - target) / max(questions * k / 10, 1)) ** 0.5
    return min(target + 3 * error, (1 + target) / 2)
