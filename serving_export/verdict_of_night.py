"""What the gates said of a night's lists, for people."""

from __future__ import annotations

from typing import Any

from daybreak.contracts import DS
from daybreak.datasets import GATES, OVERRIDES
from daybreak.errors import InputError
from daybreak.lake import Lake, Window
from daybreak.settings import Settings


def gates_of(settings: Settings, ds: str | None) -> list[dict[str, Any]]:
    """Every gate of a night, of the newest that was judged where none is named; with the reason, where one was let
    pass for these very lists."""
    lake = Lake.of(settings)
    table = lake.table(GATES)
    day = ds or max(table.days(), default=None)
    rows = table.read(Window(since=day, until=day)).to_pylist() if day else []
    if not rows:
        raise InputError(f"no lists were judged {'on ' + ds if ds else 'yet'}; run serving_export.gates for the night")
    overrides = lake.table(OVERRIDES).read(Window(since=day, until=day)).to_pylist()
    reasons = {(row["surface"], row["gate"], row["lists_digest"]): row["reason"] for row in overrides}
    return [
        {**row, DS: day, "let_pass": reasons.get((row["surface"], row["gate"], row["lists_digest"]))}
        for row in sorted(rows, key=lambda row: (row["surface"], row["segment"] != "", row["gate"], row["segment"]))
    ]


def refuse_unless_useful(rows: list[dict[str, Any]], surface: str, gate: str) -> None:
    """Says why there is nothing to let pass, where there is not."""
    day = rows[0][DS]
    judged = [row for row in rows if row["surface"] == surface and row["gate"] == gate]
    told = f"{surface} {gate} on {day}"
    if not judged:
        raise InputError(f"no gate {told} was judged; `daybreak gates --ds {day}` shows those there are")
    if all(row["passed"] for row in judged):
        raise InputError(f"{told} holds, so there is nothing to let pass")
    if any(row["absolute"] for row in judged):
        raise InputError(f"{told} is about what no list may hold, and nobody can let it pass; mend the lists")
