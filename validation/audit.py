"""Audits with Great Expectations what landing accepted.

Reads the rows that the night landed (and those of earlier nights that no audit has passed), checks each dataset against
the suite made from its declaration, and writes `validation/audits`, one row per expectation. The night stops where one
does not hold: a row got past the contract, so landing itself is wrong and nothing may be built on it, on this night or
a later one. A second run of a day replaces the verdict.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from daybreak.clock import days_before
from daybreak.contracts import DS, Dataset
from daybreak.datasets import AUDITS, DELIVERED, DELIVERIES, LATE_DAYS
from daybreak.errors import GateError
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from validation.suites import FRESHNESS, expectations


class AuditConfig(StepConfig):
    """The expectations follow from the datasets' declarations; there is nothing else to set."""


def run(config: AuditConfig, io: StepIO) -> Summary:
    """Audits what this day delivered, and apart from it what earlier days delivered that no audit has passed."""
    io.require(DELIVERIES)
    unaudited = _unaudited(io)
    results = []
    for days in filter(None, (unaudited, [io.ds])):
        found = [row for dataset in DELIVERED for row in _audit_landed(io, dataset, days)]
        judged = days if all(row["passed"] for row in found) else days[-1:]
        io.write(AUDITS, pa.Table.from_pylist(found, schema=pa.schema(_FIELDS)), days=judged, built_from=DELIVERIES)
        results += found
    failed = [
        f"{row['dataset']}: {row['detail']}" + (f" ({row['unexpected']} rows)" if row["unexpected"] else "")
        for row in results
        if not row["passed"]
    ]
    if failed:
        raise GateError(
            f"{len(failed)} of {len(results)} expectations failed on what {config.ds} landed: {'; '.join(failed)}."
            " What was live stays live",
            {"expectations": len(results), "failed": len(failed)},
        )
    return {"expectations": len(results), "failed": 0, "days": len(unaudited) + 1}


def _unaudited(io: StepIO) -> list[str]:
    """The earlier nights whose rows no audit has passed, as they were landed last."""
    landed = [day for day in io.days(DELIVERIES) if day < io.ds]
    verdicts = io.read(AUDITS, until=days_before(io.ds, 1), columns=["expectation", "passed", DS])
    refused = pc.and_(pc.invert(verdicts["passed"]), pc.not_equal(verdicts["expectation"], FRESHNESS))
    failed = verdicts.filter(refused)[DS].to_pylist()
    return sorted({*io.unbuilt(AUDITS, DELIVERIES, landed), *failed})


_FIELDS = [
    ("dataset", pa.string()),
    ("expectation", pa.string()),
    ("column", pa.string()),
    ("severity", pa.string()),
    ("passed", pa.bool_()),
    ("checked", pa.int64()),
    ("unexpected", pa.int64()),
    ("detail", pa.string()),
    ("ds", pa.string()),
]


def _audit_landed(io: StepIO, dataset: Dataset, days: Sequence[str]) -> list[dict[str, Any]]:
    """The results for the rows of a dataset that these days delivered, told under the last of them."""
    late = LATE_DAYS if dataset.delivery and dataset.delivery.by_event_day else 0
    rows = io.read(dataset, since=days_before(days[0], late))
    rows = rows.filter(pc.is_in(rows[dataset.replaced_by], value_set=pa.array(days)))
    results = audit(dataset, rows, days) if rows.num_rows else []
    return [{**result, "ds": days[-1]} for result in results]


def audit(dataset: Dataset, rows: pa.Table, days: Sequence[str]) -> list[dict[str, Any]]:
    """The result of every expectation on these rows."""
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = {"globally": False, "metric_calculations": False}
    asset = context.data_sources.add_pandas("landed").add_dataframe_asset(dataset.short_name)
    batches = asset.add_batch_definition_whole_dataframe("whole")
    suite = gx.ExpectationSuite(name=dataset.short_name)
    for expectation in expectations(dataset, days[0], days[-1]):
        suite.add_expectation(expectation)
    frame = _nan_told_from_null(rows).to_pandas()
    outcome = batches.get_batch({"dataframe": frame}).validate(suite, result_format="SUMMARY")
    return [_row(dataset, result.to_json_dict(), len(frame)) for result in outcome.results]


def _nan_told_from_null(rows: pa.Table) -> pa.Table:
    """Rows whose NaNs are infinities, which no range holds: pandas would take a NaN for a null, which may be there."""
    for number, field in enumerate(rows.schema):
        if pa.types.is_floating(field.type):
            column = rows.column(number)
            rows = rows.set_column(number, field, pc.if_else(pc.is_nan(column), pa.scalar(float("inf")), column))
    return rows


def _row(dataset: Dataset, result: dict[str, Any], checked: int) -> dict[str, Any]:
    told = result["expectation_config"]
    settings = {
        name: value
        for name, value in told["kwargs"].items()
        if name not in ("batch_id", "column") and value is not None
    }
    broken = _exception(result.get("exception_info") or {})
    column = told["kwargs"].get("column")
    words = f"{column or ''} {told['type'].removeprefix('expect_').replace('_', ' ')} {settings or ''}".strip()
    return {
        "dataset": dataset.name,
        "expectation": told["type"],
        "column": column,
        "severity": "stop",
        "passed": bool(result["success"]),
        "checked": checked,
        "unexpected": int(result.get("result", {}).get("unexpected_count") or 0),
        "detail": f"{words}: {broken}" if broken else words,
    }


def _exception(info: dict[str, Any]) -> str | None:
    """What kept an expectation from being judged, in a line; it is told of the whole or of each metric it needs."""
    for told in (info, *info.values()):
        if isinstance(told, dict) and told.get("exception_message"):
            return " ".join(str(told["exception_message"]).split())
    return None
