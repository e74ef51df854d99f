"""Reads what a night left behind, as the numbers of its report. What is not there is left out, never an error."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from daybreak.clock import days_before
from daybreak.contracts import DS
from daybreak.datasets import AUDITS, DELIVERIES, EVENTS, GATES, LANDINGS, OVERRIDES, QUARANTINE
from daybreak.errors import ReleaseError
from daybreak.indexes import INDEX_GATES
from daybreak.lineage import RunRecord
from daybreak.step_io import StepIO
from validation.report import checks, landing
from validation.report.checks import Audit, FailedExpectation, Gate, LetPass
from validation.report.landing import Account, ChangedDay, EventDays, RefusedDays
from validation.report.refusals import Refusal, refusals
from validation.report.runs import TimeLine, latest_of_each_step, time_line
from validation.report.shelf_parts import ShelfPart, candidate_counts, shelf_parts
from validation.report.verdict import Live, Verdict, judge

GATE_MEMORY_DAYS = 7
GATE_COLUMNS = ["surface", "segment", "gate", "value", "before", "bound", "passed", "detail", DS]


@dataclass(frozen=True)
class Landed:
    """What landed and what was refused. Without `accounts` nothing landed; what was refused is there all the same."""

    accounts: tuple[Account, ...]
    total: Account
    changed: tuple[ChangedDay, ...]
    events: EventDays
    refused: RefusedDays
    refusals: tuple[Refusal, ...]
    refused_rows: int


@dataclass(frozen=True)
class Checked:
    """What was checked. `gates_before` is the night whose values stand beside the gates'."""

    audits: tuple[Audit, ...]
    failed: tuple[FailedExpectation, ...]
    gates: tuple[Gate, ...]
    let_pass: tuple[LetPass, ...]
    gates_before: str | None


@dataclass(frozen=True)
class Report:
    """Everything that a night's page shows."""

    ds: str
    verdict: Verdict
    landed: Landed
    checked: Checked
    runs: tuple[RunRecord, ...]
    times: TimeLine
    candidates: Mapping[str, int]
    shelves: tuple[ShelfPart, ...]

    @property
    def lists(self) -> int:
        return sum(part.shelf.lists for part in self.shelves)

    @property
    def seconds(self) -> float:
        """The time of the steps that count: the last run of each."""
        return sum(run.seconds for run in latest_of_each_step(self.runs))

    @property
    def spark_start_seconds(self) -> float:
        return sum(run.spark_start_seconds for run in latest_of_each_step(self.runs))


def gather(io: StepIO, *, days: int, samples: int) -> Report:
    """The report of a night: its plots look back `days`, and of each surface `samples` lists are shown."""
    runs = [run for run in io.lineage.runs_of(io.ds) if run.step != "validation.report"]
    shelves = shelf_parts(io, samples=samples, days=days)
    return Report(
        ds=io.ds,
        verdict=judge(io.ds, runs, _live(io), _to_try(shelves)),
        landed=_landed(io, landing.last_days(io.ds, days)),
        checked=_checked(io),
        runs=tuple(runs),
        times=time_line(runs),
        candidates=candidate_counts(io),
        shelves=tuple(shelves),
    )


def _landed(io: StepIO, days: Sequence[str]) -> Landed:
    deliveries = io.read(DELIVERIES, since=days[0])
    accounts = landing.accounts(deliveries.filter(pc.equal(deliveries[DS], io.ds)))
    quarantine = io.read(QUARANTINE, since=io.ds)
    landings = io.read(LANDINGS, since=io.ds)
    types = (io.read(EVENTS, since=day, until=day, columns=["event_type"])["event_type"] for day in days)
    return Landed(
        accounts=tuple(accounts),
        total=landing.total(accounts),
        changed=tuple(landing.changed_days(landings, io.ds)),
        events=landing.event_days(days, types),
        refused=landing.refused_days(days, deliveries),
        refusals=tuple(refusals(quarantine, {account.dataset: account.rows_in for account in accounts})),
        refused_rows=quarantine.num_rows,
    )


def _checked(io: StepIO) -> Checked:
    audits = io.read(AUDITS, since=io.ds)
    on_lists = io.read(GATES, since=_remembered(io), columns=GATE_COLUMNS)
    judged = io.read(GATES, since=io.ds, columns=["lists_digest"])["lists_digest"]
    gates = pa.concat_tables([on_lists, _index_gates(io).cast(on_lists.schema)])
    return Checked(
        audits=tuple(checks.audits(audits)),
        failed=tuple(checks.failed_expectations(audits)),
        gates=tuple(checks.gates(gates, io.ds)),
        let_pass=tuple(checks.let_pass(io.read(OVERRIDES, since=io.ds), set(judged.to_pylist()))),
        gates_before=checks.night_before(gates, io.ds),
    )


def _index_gates(io: StepIO) -> pa.Table:
    """The gates on the index, as those on lists are told."""
    columns = [name for name in GATE_COLUMNS if name in (*INDEX_GATES.column_names, DS)]
    rows = io.read(INDEX_GATES, since=_remembered(io), columns=["space", *columns])
    named = pc.binary_join_element_wise("index", pc.replace_substring(rows["space"], "_", " "), ", ")
    rows = rows.append_column("surface", named).append_column("segment", pa.array([""] * rows.num_rows, pa.string()))
    return rows.append_column("before", pa.nulls(rows.num_rows, pa.float64())).select(GATE_COLUMNS)


def _remembered(io: StepIO) -> str:
    return days_before(io.ds, GATE_MEMORY_DAYS)


def _live(io: StepIO) -> Live:
    """What is live, told even where the pointer or the release it names cannot be read."""
    store = io.releases()
    try:
        pointer = store.pointer()
        if pointer is None:
            return Live()
        manifest = store.open(pointer.release, verify=False).manifest
    except ReleaseError as error:
        return Live(problem=str(error))
    return Live(pointer.release, manifest.model, manifest.ds, pointer.pinned, bool(pointer.before_current))


def _to_try(shelves: Sequence[ShelfPart]) -> tuple[str, str] | None:
    return next(((part.shelf.surface, part.samples[0].query_id) for part in shelves if part.samples), None)
