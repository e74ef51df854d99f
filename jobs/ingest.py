"""Lands the files delivered for a day into `raw/*`.

Reads `landing/<dataset>/ds=<day>/*.jsonl[.gz]` of every delivered dataset. Each line is accepted into the day it
belongs to (an event that comes up to three days late lands in the day it happened on), refused into
`quarantine/rows` with each rule it broke and its file and line, or left out as a duplicate: rows in = accepted +
quarantined + duplicates, always. Earlier days that were delivered and never landed are landed too, oldest first in
the account, so a night after an outage catches up.

The night stops here, with nothing landed, where a required file is missing, broken or stale, or where the share of
refused rows is above `max_bad_share`; the refused rows are in the quarantine then, to be looked at. A second run of
a day replaces what the first one landed, by the same rules and to the same rows.
"""

from __future__ import annotations

import functools
from collections import Counter
from pathlib import Path

import pyarrow as pa
from pydantic import Field
from pyspark.sql import DataFrame

from daybreak.clock import days_before
from daybreak.contracts import DS, LANDED_DS, Dataset
from daybreak.datasets import DELIVERED, DELIVERIES, LANDINGS, LATE_DAYS, QUARANTINE
from daybreak.errors import DaybreakError, DeliveryError
from daybreak.lake.schemas import full_schema
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from jobs.landing.delivery import delivered_days, explain_unreadable, files_of
from jobs.landing.split import Account, Split


class IngestConfig(StepConfig):
    """How dirty a delivery may be."""

    max_bad_share: float = Field(0.05, ge=0, le=1)


def run(config: IngestConfig, io: StepIO) -> Summary:
    """Lands every delivered day up to this one that has not landed, and this one again."""
    days = _days_to_land(io)
    splits: dict[Dataset, Split] = {}
    try:
        for dataset in DELIVERED:
            files = [path for day in days for path in files_of(io.landing, dataset, day)]
            if files:
                io.note_files(files)
                splits[dataset] = Split(io.spark, dataset, files, _landed_before(io, dataset, days))
        accounts = {dataset: _account(split, days, io.landing) for dataset, split in splits.items()}
        _commit_quarantine(io, splits, accounts, days)
        for dataset, by_day in accounts.items():
            for day in days:
                _refuse_unless_fit(dataset, day, by_day.get(day), config.max_bad_share)
        for dataset, split in splits.items():
            io.write(dataset, split.accepted(), days=days)
    finally:
        for split in splits.values():
            split.release()
    _commit_ledgers(io, accounts, days)
    return _summary(accounts, days)


def _days_to_land(io: StepIO) -> list[str]:
    """This day, and every earlier delivered day that has not landed."""
    delivered = {day for dataset in DELIVERED for day in delivered_days(io.landing, dataset) if day < io.ds}
    return [*sorted(day for day in delivered if not io.was_landed(DELIVERIES, day)), io.ds]


def _landed_before(io: StepIO, dataset: Dataset, days: list[str]) -> DataFrame:
    """Rows of earlier nights that a row of these days may repeat."""
    assert dataset.delivery is not None
    if not dataset.delivery.by_event_day:
        return io.frame(dataset, since=days[0], until=days_before(days[0], 1))
    rows = io.frame(dataset, since=days_before(days[0], LATE_DAYS))
    return rows.where(~rows[LANDED_DS].isin(days))


def _account(split: Split, days: list[str], landing: Path) -> dict[str, Account]:
    try:
        return split.accounts()
    except Exception as error:
        files = [path for day in days for path in files_of(landing, split.dataset, day)]
        raise explain_unreadable(files) or error from error


def _refuse_unless_fit(dataset: Dataset, day: str, account: Account | None, max_bad_share: float) -> None:
    name = dataset.short_name
    if account is None or not account.rows_in:
        if account is not None or (dataset.delivery and dataset.delivery.required):
            raise DeliveryError(f"{name} of {day} holds no rows; deliver it again and run the night again")
        return
    numbers = {"rows_in": account.rows_in, "accepted": account.accepted, "quarantined": account.quarantined}
    if account.bad_share > max_bad_share:
        raise DeliveryError(
            f"{name} of {day}: {account.quarantined:,} of {account.rows_in:,} rows ({account.bad_share:.1%}) break the"
            f" contract, more than the {max_bad_share:.1%} allowed; nothing was landed, yesterday's lists stay live."
            f" See why with `daybreak tables quarantine --ds {day}`, then deliver it again",
            numbers,
        )
    if dataset.delivery and dataset.delivery.by_event_day and not account.accepted_by_day.get(day):
        newest = max(account.accepted_by_day, default="none")
        raise DeliveryError(
            f"{name} of {day} is stale: it holds no new row of that day (newest day in it: {newest});"
            " deliver the right file and run the night again",
            numbers,
        )


def _commit_quarantine(
    io: StepIO, splits: dict[Dataset, Split], accounts: dict[Dataset, dict[str, Account]], days: list[str]
) -> None:
    frames = [
        split.quarantined()
        for dataset, split in splits.items()
        if any(account.quarantined for account in accounts[dataset].values())
    ]
    rows = functools.reduce(DataFrame.unionByName, frames) if frames else full_schema(QUARANTINE).empty_table()
    io.write(QUARANTINE, rows, days=days)


def _commit_ledgers(io: StepIO, accounts: dict[Dataset, dict[str, Account]], days: list[str]) -> None:
    landings, deliveries = [], []
    for dataset, by_day in accounts.items():
        for landed, account in by_day.items():
            for event_day, rows in account.accepted_by_day.items():
                landings.append({"dataset": dataset.name, "event_day": event_day, "accepted": rows, DS: landed})
            deliveries.append(
                {
                    "dataset": dataset.name,
                    "files": len(files_of(io.landing, dataset, landed)),
                    "rows_in": account.rows_in,
                    "accepted": account.accepted,
                    "quarantined": account.quarantined,
                    "duplicates": account.duplicates,
                    "late": sum(n for day, n in account.accepted_by_day.items() if day < landed),
                    DS: landed,
                }
            )
    io.write(LANDINGS, _table(landings, LANDINGS), days=days)
    io.write(DELIVERIES, _table(deliveries, DELIVERIES), days=days)


def _table(rows: list[dict[str, object]], dataset: Dataset) -> pa.Table:
    names = (*dataset.column_names, DS)
    return pa.table({name: [row[name] for row in rows] for name in names})


def _summary(accounts: dict[Dataset, dict[str, Account]], days: list[str]) -> Summary:
    totals: Counter[str] = Counter()
    per_dataset = {}
    for dataset, by_day in accounts.items():
        mine = Counter[str]()
        for account in by_day.values():
            mine.update(
                rows_in=account.rows_in,
                accepted=account.accepted,
                quarantined=account.quarantined,
                duplicates=account.duplicates,
            )
        if mine["rows_in"] != mine["accepted"] + mine["quarantined"] + mine["duplicates"]:
            raise DaybreakError(f"{dataset.name}: rows are unaccounted for: {dict(mine)}")
        per_dataset[dataset.short_name] = dict(mine)
        totals.update(mine)
    return {**totals, "days": len(days), "first_day": days[0], "datasets": per_dataset}
