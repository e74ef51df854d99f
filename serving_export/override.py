"""Lets a gate pass for the lists of a night, because a person says why.

Writes `serving/overrides`. The reason holds for these very lists: other lists of the same night are judged anew. What
no list may hold, such as somebody who is blocked, nobody can let pass. Afterwards run `serving_export.gates` and
`serving_export.publish` for the night; the release tells what was let pass and why.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa
from pydantic import Field

from daybreak.datasets import LISTS, OVERRIDES
from daybreak.errors import InputError
from daybreak.lake.schemas import data_schema
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from serving_export.lists_digest import lists_digest

LONGEST_REASON = 1_000


class OverrideConfig(StepConfig):
    """Which gate is let pass, and why."""

    surface: str = Field("", description="the surface whose lists were judged")
    gate: str = Field("", description="the gate to let pass, in all segments")
    reason: str = Field("", max_length=LONGEST_REASON, description="why the lists may go live all the same")


def run(config: OverrideConfig, io: StepIO) -> Summary:
    """Notes the reason beside those there are."""
    if missing := [name for name in ("surface", "gate", "reason") if not getattr(config, name).strip()]:
        raise InputError(
            f"to let a gate pass takes a surface, a gate and a reason; there is no {' and no '.join(missing)}. Use"
            " `daybreak gates --override SURFACE.GATE --reason …`"
        )
    io.require(LISTS)
    digest = lists_digest(io)
    own = {"surface": config.surface, "gate": config.gate, "reason": config.reason.strip(), "lists_digest": digest}
    kept = [row for row in io.read(OVERRIDES, since=io.ds, until=io.ds).to_pylist() if _key(row) != _key(own)]
    io.write(OVERRIDES, pa.Table.from_pylist([*kept, own], schema=data_schema(OVERRIDES)))
    return {"surface": config.surface, "gate": config.gate, "overrides": len(kept) + 1}


def _key(row: dict[str, Any]) -> tuple[str, str]:
    return row["surface"], row["gate"]
