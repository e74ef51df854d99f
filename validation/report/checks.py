"""The verdicts of the night: the audit of what landed, and the gates on the lists."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from daybreak.contracts import DS


@dataclass(frozen=True)
class FailedExpectation:
    """An expectation that did not hold."""

    dataset: str
    detail: str
    severity: str
    unexpected: int


@dataclass(frozen=True)
class Audit:
    """How one dataset did against its expectations."""

    dataset: str
    rows: int
    passed: int
    failed: int


@dataclass(frozen=True)
class Gate:
    """One gate of a surface, or of a segment of its queries. `before` is its value on the night before; `detail` has
    examples where it did not hold."""

    surface: str
    segment: str
    gate: str
    value: float
    bound: str
    passed: bool
    detail: str
    before: float | None


@dataclass(frozen=True)
class LetPass:
    """A gate that a person let pass, and why."""

    surface: str
    gate: str
    reason: str


def audits(rows: pa.Table) -> list[Audit]:
    """Passed and failed expectations by dataset."""
    found = []
    for dataset in sorted(rows["dataset"].unique().to_pylist()):
        mine = rows.filter(pc.equal(rows["dataset"], dataset))
        passed = pc.sum(mine["passed"].cast(pa.int64())).as_py()
        found.append(Audit(dataset, pc.max(mine["checked"]).as_py(), passed, mine.num_rows - passed))
    return found


def failed_expectations(rows: pa.Table) -> list[FailedExpectation]:
    """The expectations that did not hold, the worst first."""
    failed = rows.filter(pc.invert(rows["passed"])).to_pylist()
    failed.sort(key=lambda row: (-row["unexpected"], row["dataset"], row["detail"]))
    return [FailedExpectation(row["dataset"], row["detail"], row["severity"], row["unexpected"]) for row in failed]


def let_pass(overrides: pa.Table, judged: set[str]) -> list[LetPass]:
    """The gates that persons let pass, as they told it, for the very lists that were judged, by their digests."""
    rows = [row for row in overrides.to_pylist() if row["lists_digest"] in judged]
    return [LetPass(row["surface"], row["gate"], row["reason"]) for row in rows]


def gates(rows: pa.Table, ds: str) -> list[Gate]:
    """The gates of day `ds`, each beside its value on the newest earlier day among `rows`."""
    before = {_key(row): row["value"] for row in _newest_before(rows, ds).to_pylist()}
    tonight = rows.filter(pc.equal(rows[DS], ds)).to_pylist()
    return [
        Gate(
            surface=row["surface"],
            segment=row["segment"],
            gate=row["gate"],
            value=row["value"],
            bound=row["bound"],
            passed=row["passed"],
            detail=row["detail"],
            before=row["before"] if row["before"] is not None else before.get(_key(row)),
        )
        for row in tonight
    ]


def _key(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["surface"], row["segment"], row["gate"]


def night_before(rows: pa.Table, ds: str) -> str | None:
    """The newest day before `ds` that the gates judged."""
    day: str | None = pc.max(rows.filter(pc.less(rows[DS], ds))[DS]).as_py()
    return day


def _newest_before(rows: pa.Table, ds: str) -> pa.Table:
    day = night_before(rows, ds)
    return rows.filter(pc.equal(rows[DS], day)) if day else rows.slice(0, 0)
