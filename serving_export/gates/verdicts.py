"""What a gate measured, what it had to keep, and whether it held."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

EXAMPLES = 3
EVERY_SEGMENT = ""


@dataclass(frozen=True)
class Verdict:
    """One gate, for all queries of a surface or for a segment of them. `absolute` ones nobody may override."""

    gate: str
    value: float
    bound: str
    passed: bool
    before: float | None = None
    segment: str = EVERY_SEGMENT
    absolute: bool = False
    detail: str = ""


def at_least(
    gate: str, value: float, bound: float, *, before: float | None = None, segment: str = "", detail: str = ""
) -> Verdict:
    passed = value >= bound
    return Verdict(gate, float(value), f">= {bound:g}", passed, before, segment, False, "" if passed else detail)


def at_most(
    gate: str, value: float, bound: float, *, before: float | None = None, segment: str = "", detail: str = ""
) -> Verdict:
    passed = value <= bound
    return Verdict(gate, float(value), f"<= {bound:g}", passed, before, segment, False, "" if passed else detail)


def never(gate: str, count: int, examples: Sequence[tuple[str, str]]) -> Verdict:
    """What no list may hold, and nobody may let pass."""
    told = ", ".join(f"{query or 'fallback'} → {candidate}" for query, candidate in examples[:EXAMPLES])
    return Verdict(gate, float(count), "<= 0", count == 0, absolute=True, detail=told)
