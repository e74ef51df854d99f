"""The audit lets clean rows pass and stops whatever got past landing."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pytest

from daybreak.contracts import Arrives, Between, Matches, MaxLength, OneOf
from daybreak.datasets import AUDITS, DELIVERED, DELIVERIES, EVENTS, ITEMS
from daybreak.errors import GateError, InputError
from daybreak.lake import Lake, Window
from daybreak.lake.schemas import full_schema
from daybreak.runner import run_steps
from daybreak.steps import step_named
from tests.lake import land as tell_landed
from tests.lake import put
from tests.tiny import day, event
from validation.audit import audit

AUDIT = step_named("validation.audit")
TODAY = day(5)


def clean(number: int = 0, **values) -> dict:
    full = {"price": 3.5, "position": 2, "dwell_s": 1.0, "rating": 4.0, "device": "web", "session_id": "s1"}
    return {**event(number, TODAY, "u1", "i1"), **full, **values}


CLEAN = [clean(0), clean(1, price=None, position=None, device=None), clean(2, event_ts=f"{day(2)}T00:00:00Z")]

BAD: dict[str, tuple[str, str, dict]] = {
    "NaN": ("price", "between", {"price": float("nan")}),
    "infinity": ("rating", "between", {"rating": float("inf")}),
    "below": ("price", "between", {"price": -0.01}),
    "above": ("position", "between", {"position": 10_001}),
    "not of the set": ("event_type", "in_set", {"event_type": "glance"}),
    "device not of the set": ("device", "in_set", {"device": "fridge"}),
    "space before": ("user_id", "match_regex", {"user_id": " u1"}),
    "line end behind": ("item_id", "match_regex", {"item_id": "i1\n"}),
    "empty": ("event_id", "lengths", {"event_id": ""}),
    "too long": ("session_id", "lengths", {"session_id": "x" * 257}),
    "too early": ("event_ts", "between", {"event_ts": f"{day(1)}T23:59:59.999999Z", "ds": day(2)}),
    "too late": ("event_ts", "between", {"event_ts": f"{day(6)}T00:00:00Z", "ds": TODAY}),
    "the same id": ("event_id", "unique", {"event_id": "e0"}),
}


def land(lake: Lake, rows: list[dict]) -> None:
    """Writes rows past the contract, straight into the table, with the entry of the ledger that landing makes."""
    put(lake, EVENTS, TODAY, rows)
    counts = {"files": 1, "rows_in": len(rows), "accepted": len(rows), "quarantined": 0, "duplicates": 0, "late": 0}
    put(lake, DELIVERIES, TODAY, [{"dataset": EVENTS.name, **counts}])


def failures(lake: Lake) -> list[tuple[str | None, str, int]]:
    rows = lake.table(AUDITS).read(Window(TODAY, TODAY)).to_pylist()
    return [(row["column"], row["expectation"], row["unexpected"]) for row in rows if not row["passed"]]


def test_clean_rows_pass_and_every_expectation_is_told(settings, lake):
    """Rows at the edges of every rule pass, nulls where they may be included, and ids of any script."""
    edges = [
        clean(3, price=0.0, position=0, rating=0.0, dwell_s=0.0, event_ts=f"{TODAY}T23:59:59.999999Z"),
        clean(4, price=1e9, position=10_000, rating=10.0, dwell_s=86_400.0, user_id="x" * 256),
        clean(5, user_id="ü Ж 😀", item_id="a\u00a0", session_id="\u2028", event_id="{e}"),
    ]
    land(lake, [*CLEAN, *edges])
    summary = run_steps([AUDIT], TODAY, settings)[0].summary
    assert summary["failed"] == 0
    rows = lake.table(AUDITS).read(Window(TODAY, TODAY)).to_pylist()
    assert len(rows) == summary["expectations"] > 20
    assert {row["checked"] for row in rows} == {6}


@pytest.mark.parametrize("kind", BAD)
def test_a_bad_row_past_landing_stops_the_night(settings, lake, kind):
    """The expectation that it breaks is named, with its rows, and the verdict is written."""
    column, expectation, values = BAD[kind]
    land(lake, [*CLEAN, clean(9, **values)])
    with pytest.raises(GateError, match=r"expectations failed on what .* landed: raw/events: .*stays live") as caught:
        run_steps([AUDIT], TODAY, settings)
    assert column in str(caught.value)
    failed = failures(lake)
    assert [name for name, told, _ in failed if expectation in told] == [column]
    assert all(unexpected >= 1 for name, told, unexpected in failed if "max_to_be" not in told)


def test_a_null_where_none_may_be_is_found():
    """No engine lets such a row into a table, so the expectation is asked directly."""
    rows = full_schema(EVENTS).empty_table()
    good = {**clean(0), "event_ts": None, "ds": TODAY, "landed_ds": TODAY}
    table = pa.Table.from_pylist([good], schema=pa.schema([field.with_nullable(True) for field in rows.schema]))
    results = audit(EVENTS, table, [TODAY])
    assert ("event_ts", "expect_column_values_to_not_be_null") in {
        (row["column"], row["expectation"]) for row in results if not row["passed"]
    }


def test_an_expectation_that_could_not_be_judged_says_why():
    """A column that is not there fails what asks for it with the engine's reason, not as rows that are wrong."""
    good = {**clean(0), "event_ts": datetime(2026, 11, 6, 12, tzinfo=UTC), "ds": TODAY, "landed_ds": TODAY}
    rows = pa.Table.from_pylist([good], schema=full_schema(EVENTS)).drop_columns(["price"])
    failed = {row["expectation"]: row for row in audit(EVENTS, rows, [TODAY]) if not row["passed"]}
    assert set(failed) == {"expect_column_values_to_be_between", "expect_table_columns_to_match_set"}
    judged = failed["expect_column_values_to_be_between"]
    assert judged["detail"].startswith(
        "price column values to be between {'min_value': 0.0, 'max_value': 1000000000.0}: "
    )
    assert '"price" in BatchData does not exist' in judged["detail"]
    assert "\n" not in judged["detail"]
    assert failed["expect_table_columns_to_match_set"]["detail"].startswith("table columns to match set ")


def test_a_day_without_a_row_of_its_own_is_not_fresh(settings, lake):
    """Events that are all of earlier days fail the expectation of freshness."""
    land(lake, [clean(0, event_ts=f"{day(4)}T12:00:00Z"), clean(1, event_ts=f"{day(3)}T12:00:00Z")])
    with pytest.raises(GateError):
        run_steps([AUDIT], TODAY, settings)
    assert [(name, told) for name, told, _ in failures(lake)] == [("event_ts", "expect_column_max_to_be_between")]


def test_the_audit_needs_a_landing(settings, lake):
    """A night on which nothing landed is told to land first."""
    with pytest.raises(InputError, match=r"raw/deliveries has no day .*daybreak run jobs\.ingest"):
        run_steps([AUDIT], TODAY, settings)


def test_rows_that_an_audit_refused_stop_later_nights_too(settings, lake):
    """Until they are landed anew: nothing is built on them because a night has passed."""
    land(lake, [*CLEAN, clean(9, price=-1.0)])
    with pytest.raises(GateError):
        run_steps([AUDIT], TODAY, settings)
    tomorrow = event(20, day(6), "u1", "i1")
    put(lake, EVENTS, day(6), [tomorrow])
    tell_landed(lake, day(6))
    with pytest.raises(GateError, match="price column values to be between"):
        run_steps([AUDIT], day(6), settings)
    land(lake, CLEAN)
    assert run_steps([AUDIT], day(6), settings)[0].summary["failed"] == 0
    assert run_steps([AUDIT], day(6), settings)[0].summary["days"] == 1


def test_a_night_landed_again_after_its_audit_is_audited_again(settings, lake):
    """Whoever landed it and went no further: the next night finds what got past the contract."""
    land(lake, CLEAN)
    run_steps([AUDIT], TODAY, settings)
    land(lake, [*CLEAN, clean(9, price=-1.0)])
    put(lake, EVENTS, day(6), [event(20, day(6), "u1", "i1")])
    tell_landed(lake, day(6))
    with pytest.raises(GateError, match="price column values to be between"):
        run_steps([AUDIT], day(6), settings)


def test_a_night_that_brought_nothing_of_its_day_does_not_stop_the_next(settings, lake):
    """It stopped itself; its rows are sound."""
    land(lake, [clean(0, event_ts=f"{day(4)}T12:00:00Z")])
    with pytest.raises(GateError):
        run_steps([AUDIT], TODAY, settings)
    put(lake, EVENTS, day(6), [event(20, day(6), "u1", "i1")])
    tell_landed(lake, day(6))
    assert run_steps([AUDIT], day(6), settings)[0].summary["failed"] == 0


def test_states_are_told_apart_by_when_they_began(settings, lake):
    """An item may have two states on one day, and may not have one of them twice."""
    land(lake, CLEAN)
    state = {"item_id": "i1", "updated_ts": f"{TODAY}T01:00:00Z", "title": "Lamp", "status": "active"}
    put(lake, ITEMS, TODAY, [state, {**state, "updated_ts": f"{TODAY}T02:00:00Z"}])
    assert run_steps([AUDIT], TODAY, settings)[0].summary["failed"] == 0
    before = {**state, "updated_ts": f"{day(4)}T01:00:00Z"}
    for night in (day(4), TODAY):
        put(lake, ITEMS, night, [before])
    tell_landed(lake, day(4))
    assert run_steps([AUDIT], TODAY, settings)[0].summary["failed"] == 0, "told again on another day"
    put(lake, ITEMS, TODAY, [state, state])
    with pytest.raises(GateError, match="compound columns to be unique"):
        run_steps([AUDIT], TODAY, settings)


def test_every_kind_of_rule_has_a_bad_row_here():
    """A rule added to the contract needs a row above that breaks it."""
    kinds = {type(rule) for dataset in DELIVERED for column in dataset.columns for rule in column.rules}
    assert kinds == {Arrives, Between, Matches, MaxLength, OneOf}
