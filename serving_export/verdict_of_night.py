"""What the gates said of a night's lists, for people, who may let one pass with a reason."""

from __future__ import annotations

from typing import Any

from daybreak.contracts import DS
from daybreak.datasets import GATES, OVERRIDES
from daybreak.errors import InputError
from daybreak.lake import Attempt, Lake, Window
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.step_io import StepIO
from daybreak.steps import step_named
from serving_export.lists_digest import lists_digest

LEAST_REASON = 3


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


def let_pass(settings: Settings, surface: str, gate: str, reason: str, ds: str) -> dict[str, Any]:
    """Records why a gate may be passed by the lists of a night; says why not, where there is nothing to let pass."""
    if len(reason.strip()) < LEAST_REASON:
        raise InputError("the reason must tell why the lists may go live all the same; it is recorded")
    step = step_named("serving_export.override")
    io = StepIO(step, ds, settings, Lake.of(settings), Attempt("let-pass", ds, 0))
    _refuse_unless_useful(gates_of(settings, ds), surface, gate, lists_digest(io))
    told = {"surface": surface, "gate": gate, "reason": reason}
    return run_steps([step], ds, settings, overrides=told)[-1].summary


def _refuse_unless_useful(rows: list[dict[str, Any]], surface: str, gate: str, digest: str) -> None:
    day = rows[0][DS]
    judged = [row for row in rows if row["surface"] == surface and row["gate"] == gate]
    told = f"{surface} {gate} on {day}"
    if not judged:
        raise InputError(f"no gate {told} was judged; `daybreak gates --ds {day}` shows those there are")
    if any(row["lists_digest"] != digest for row in judged):
        raise InputError(f"{told} was judged on other lists than those there are now; run serving_export.gates again")
    if all(row["passed"] for row in judged):
        raise InputError(f"{told} holds, so there is nothing to let pass")
    if any(row["absolute"] for row in judged):
        raise InputError(f"{told} is about what no list may hold, and nobody can let it pass; mend the lists")
