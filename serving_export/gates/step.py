"""Judges the lists as lists, before anybody sees them.

Writes `serving/gates`, one row per surface, segment and gate, and fails where one does not hold: what is live stays
live. What users have and what may be shown is read again from the raw tables and not taken from the step that made the
lists. A gate that a person has let pass for these very lists, with a reason, does not stop the night; what no list may
hold nobody can let pass. A second run of a day replaces the verdict.
"""

from __future__ import annotations

from dataclasses import asdict

import pyarrow as pa
from pydantic import Field

from daybreak.datasets import GATES, LISTS, OVERRIDES
from daybreak.errors import GateError
from daybreak.lake.schemas import data_schema
from daybreak.learning import CHAMPIONS
from daybreak.step_io import StepIO
from daybreak.steps import Memory, StepConfig, Summary
from daybreak.surfaces import Surface, load_surfaces
from serving_export.gates.bench import Bench
from serving_export.gates.proofs import judge_exact, judge_hits
from serving_export.gates.rules import judge_rules
from serving_export.gates.shapes import judge_shapes
from serving_export.gates.verdicts import Verdict
from serving_export.lists_digest import lists_digest
from serving_export.night import Night, night_of


class GatesConfig(StepConfig):
    """The gates stand in `surfaces.yaml`."""

    memory: Memory = Field("2GB", description="memory that the engine may take; the rest is spilled")


def run(config: GatesConfig, io: StepIO) -> Summary:
    """Judges every surface; raises with all that failed."""
    io.require(LISTS)
    digest = lists_digest(io)
    with night_of(io, config.memory) as night:
        surfaces = load_surfaces(io.settings.surfaces)
        rows = [
            {"surface": name, **asdict(verdict), "lists_digest": digest}
            for name, surface in surfaces.items()
            for verdict in judge(name, surface, night, io)
        ]
    io.write(GATES, pa.Table.from_pylist(rows, schema=data_schema(GATES)))
    let_pass = overridden(io, digest)
    failed = [row for row in rows if not row["passed"] and (row["absolute"] or _gate(row) not in let_pass)]
    told = {"gates": len(rows), "failed": len(failed), "overridden": len(let_pass)}
    if failed:
        raise GateError(
            f"{len(failed)} of {len(rows)} list gates failed on {config.ds}: {'; '.join(map(in_words, failed))}."
            f" What was live stays live; `daybreak gates --ds {config.ds}` shows all, and lets one pass with a reason",
            told,
        )
    return told


def judge(name: str, surface: Surface, night: Night, io: StepIO) -> list[Verdict]:
    """Every gate of a surface on its lists."""
    bench = Bench.of(name, surface, night)
    same = bench.earlier_ds is not None and _models(io, surface, night.ds) == _models(io, surface, bench.earlier_ds)
    return [
        *judge_rules(bench),
        *judge_shapes(bench, same_models=same),
        *judge_exact(bench, io.seed),
        *judge_hits(bench),
    ]


def _models(io: StepIO, surface: Surface, ds: str) -> dict[str, int]:
    """The versions of the models that list or rank for a surface on a night."""
    rows = io.read(CHAMPIONS, since=ds, until=ds, columns=["model", "version"]).to_pylist()
    return {row["model"]: row["version"] for row in rows if row["model"] in surface.models}


def overridden(io: StepIO, digest: str) -> dict[tuple[str, str], str]:
    """The gates that a person let pass for these very lists, and why."""
    rows = io.read(OVERRIDES, since=io.ds, until=io.ds).to_pylist()
    return {_gate(row): row["reason"] for row in rows if row["lists_digest"] == digest}


def _gate(row: dict[str, str]) -> tuple[str, str]:
    return row["surface"], row["gate"]


def in_words(row: dict[str, object]) -> str:
    """A verdict that failed, as a sentence tells it."""
    where = f"{row['surface']} {row['gate']}" + (f" of {row['segment']}" if row["segment"] else "")
    beside = f", the night before {row['before']:g}" if row["before"] is not None else ""
    detail = f" ({row['detail']})" if row["detail"] else ""
    return f"{where} is {row['value']:g} and must be {row['bound']}{beside}{detail}"
