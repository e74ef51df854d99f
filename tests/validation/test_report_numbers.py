"""The numbers of the report say what the tables say."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daybreak.datasets import DELIVERED, QUARANTINE
from daybreak.lake.schemas import full_schema
from daybreak.lineage import RunRecord
from tests.daybreak.records import record
from validation.report import checks, landing
from validation.report.refusals import EXAMPLES, ROW_CHARACTERS, meaning, refusals
from validation.report.runs import latest_of_each_step, time_line

DS = "2026-11-20"
ROW = {"dataset": "raw/events", "rules": "row.json", "file": "/srv/landing/events/ds=1/p.jsonl", "line": 3, "ds": DS}


def _refused(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist([{**ROW, **row} for row in rows], schema=full_schema(QUARANTINE))


def _deliveries(*rows: tuple[str, str, int, int, int, int]) -> pa.Table:
    names = ("dataset", "ds", "rows_in", "accepted", "quarantined", "duplicates")
    return pa.Table.from_pylist([{**dict(zip(names, row, strict=True)), "files": 1, "late": 0} for row in rows])


def _run(step: str, time: str, seconds: float, status: str = "done", attempt: int = 1) -> RunRecord:
    return record(step, DS, attempt, status, started_at=f"2026-11-21T{time}Z", seconds=seconds)


def test_an_account_that_lost_a_row_says_so() -> None:
    """Rows in must be accepted, refused or duplicates; the account and the total tell where they are not."""
    whole, broken = landing.accounts(_deliveries(("raw/users", DS, 9, 9, 0, 0), ("raw/events", DS, 10, 7, 1, 1)))[::-1]
    assert (whole.dataset, whole.adds_up) == ("raw/users", True)
    assert (broken.dataset, broken.adds_up, broken.refused_share) == ("raw/events", False, 0.1)
    total = landing.total([whole, broken])
    assert (total.rows_in, total.accepted, total.adds_up) == (19, 16, False)


def test_only_earlier_days_count_as_changed() -> None:
    """Rows of the night's own day are no change of an earlier one; the newest changed day comes first."""
    rows = [("2026-11-18", 4), (DS, 90), ("2026-11-19", 2)]
    landings = pa.Table.from_pylist([{"dataset": "raw/events", "event_day": day, "accepted": n} for day, n in rows])
    assert [(c.day, c.rows) for c in landing.changed_days(landings, DS)] == [("2026-11-19", 2), ("2026-11-18", 4)]


@settings(deadline=None)
@given(st.lists(st.lists(st.sampled_from(["view", "cart", "impression", "new kind"]), max_size=20), max_size=5))
def test_events_are_counted_by_day_and_type(days: list[list[str]]) -> None:
    """Each day's count of each type is that of the rows, and a type that never occurs is not shown."""
    counted = landing.event_days(
        [str(n) for n in range(len(days))], (pa.chunked_array([day], pa.string()) for day in days)
    )
    assert set(counted.counts) == {kind for day in days for kind in day}
    for kind, counts in counted.counts.items():
        assert list(counts) == [day.count(kind) for day in days]


def test_a_day_without_delivery_has_no_refused_share() -> None:
    """Nothing delivered is not the same as nothing refused."""
    deliveries = _deliveries(
        ("raw/events", DS, 8, 6, 2, 0), ("raw/users", DS, 2, 2, 0, 0), ("raw/items", "2026-11-18", 5, 5, 0, 0)
    )
    days = landing.last_days(DS, 3)
    assert days == ["2026-11-18", "2026-11-19", DS]
    assert landing.refused_days(days, deliveries).shares == (0.0, None, 0.2)


@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["raw/events", "raw/items"]),
            st.lists(
                st.sampled_from(["row.json", "price.range", "item_id.required"]), min_size=1, max_size=3, unique=True
            ),
            st.sampled_from(["/in/b", "/in/a"]),
        ),
        max_size=30,
    )
)
def test_every_broken_rule_is_counted_with_its_first_rows(rows: list[tuple[str, list[str], str]]) -> None:
    """Counts are those of the rows, and the examples are the first by file and line."""
    table = _refused(
        [{"dataset": d, "rules": " ".join(r), "file": f, "line": n, "row": f"{n}"} for n, (d, r, f) in enumerate(rows)]
    )
    found = refusals(table, {"raw/events": 100})
    assert {(r.dataset, r.rule): r.rows for r in found} == Counter((d, rule) for d, rules, _ in rows for rule in rules)
    assert [r.rows for r in found] == sorted((r.rows for r in found), reverse=True)
    for refusal in found:
        mine = sorted((f, n) for n, (d, rules, f) in enumerate(rows) if d == refusal.dataset and refusal.rule in rules)
        assert [int(example.row) for example in refusal.examples] == [n for _, n in mine[:EXAMPLES]]
        assert refusal.share == (refusal.rows / 100 if refusal.dataset == "raw/events" else None)


def test_a_long_row_is_cut_and_a_file_is_named_without_its_machine() -> None:
    """An example fits on the page and tells the file as it lies in the landing folder."""
    (refusal,) = refusals(_refused([{"row": "x" * 9_000}]), {})
    (example,) = refusal.examples
    assert (example.file, example.line) == ("events/ds=1/p.jsonl", 3)
    assert example.row == "x" * ROW_CHARACTERS + "…"


def test_every_rule_that_landing_can_report_has_a_meaning() -> None:
    """Rules of the contracts, of the line itself and of identities are told in words; an old rule is told to be old."""
    for dataset in DELIVERED:
        for rule, words in dataset.rules():
            assert meaning(dataset.name, rule) == words
    assert meaning("raw/events", "row.json") == "the line must be one JSON object"
    assert "other contents" in meaning("raw/events", "event_id.conflict")
    assert meaning("raw/events", "gone.set") == meaning("raw/gone", "gone.set") == "a rule that is no longer declared"


def test_a_gate_stands_beside_its_newest_earlier_value() -> None:
    """The value before is that of the last night that was judged, not of the calendar day before."""
    rows = [(DS, 0.9, False), ("2026-11-18", 0.98, True), ("2026-11-17", 0.5, True)]
    table = pa.Table.from_pylist(
        [
            {
                "surface": "s",
                "segment": "",
                "gate": "coverage",
                "value": v,
                "before": None,
                "bound": ">= 0.95",
                "passed": p,
                "detail": "",
                "ds": d,
            }
            for d, v, p in rows
        ]
    )
    (gate,) = checks.gates(table, DS)
    assert (gate.value, gate.before, gate.passed) == (0.9, 0.98, False)
    assert checks.night_before(table, DS) == "2026-11-18"
    assert checks.night_before(table, "2026-11-17") is None
    assert checks.gates(table, "2026-11-17")[0].before is None


def test_failed_expectations_are_listed_the_worst_first() -> None:
    """The audit counts by dataset what held and what did not, and names what did not."""
    rows = [("raw/users", True, 0), ("raw/users", False, 3), ("raw/events", False, 8)]
    table = pa.Table.from_pylist(
        [
            {"dataset": d, "passed": p, "unexpected": n, "checked": 50, "severity": "stop", "detail": f"{d} {n}"}
            for d, p, n in rows
        ]
    )
    assert [(a.dataset, a.rows, a.passed, a.failed) for a in checks.audits(table)] == [
        ("raw/events", 50, 0, 1), ("raw/users", 50, 1, 1),
    ]  # fmt: skip
    assert [f.detail for f in checks.failed_expectations(table)] == ["raw/events 8", "raw/users 3"]


def test_the_last_run_of_each_step_counts() -> None:
    """A step that failed and was repeated is done."""
    runs = [
        _run("a", "02:00:00", 1, "failed"),
        _run("b", "02:00:05", 1),
        _run("a", "02:00:09", 1),
    ]
    assert [(run.step, run.status) for run in latest_of_each_step(runs)] == [("b", "done"), ("a", "done")]


@pytest.mark.parametrize(("second", "start", "is_packed"), [("02:00:10", 10.0, False), ("09:00:00", 4.0, True)])
def test_bars_keep_their_time_unless_pauses_would_hide_them(second: str, start: float, is_packed: bool) -> None:
    """A run repeated hours later does not press the others into a line; the page says that pauses are left out."""
    times = time_line([_run("a", "02:00:00", 4), _run("a", second, 6, attempt=2)])
    assert [(bar.step, bar.start) for bar in times.bars] == [("a", 0.0), ("a #2", start)]
    assert times.is_packed is is_packed
