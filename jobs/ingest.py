"""Lands the files delivered for a day into `raw/*`.

Reads `landing/<dataset>/ds=<day>/*.jsonl[.gz]` of every delivered dataset. Each line is accepted into the day it
belongs to (an event that comes up to three days late lands in the day it happened on), refused into
`quarantine/rows` with each rule it broke and its file and line, or left out as a duplicate: rows in = accepted +
quarantined + duplicates, always. Files of earlier days that were delivered and never landed are landed too, so a night
after an outage, or after a file that came too late for its own night, catches up.

The night stops here, with nothing landed, where a required file is missing, broken or stale, or where the share of
refused rows is above `max_bad_share`; the refused rows are in the quarantine then, to be looked at. A second run of
a day replaces what the first one landed, by the same rules and to the same rows. Whoever delivers other files for an
earlier day runs the days after it again as well, because what stands was decided in their order.

With `only`, one dataset of this day is landed and nothing else is touched: so items are landed by the hour, before the
day's events are there. The night lands them again with all that came.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import reduce
from pathlib import Path
from typing import Any, Literal, TypeVar

import pyarrow as pa
from pydantic import Field
from pyspark.sql import DataFrame, SparkSession

from daybreak.clock import days_before
from daybreak.contracts import DS, LANDED_DS, Dataset
from daybreak.datasets import DELIVERED, DELIVERIES, LANDINGS, LATE_DAYS, QUARANTINE
from daybreak.errors import DaybreakError
from daybreak.lake.schemas import full_schema
from daybreak.spark import let_go
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from jobs.landing.delivery import delivered_days, explain_unreadable, files_of, refuse_missing
from jobs.landing.fitness import refuse_unless_fit
from jobs.landing.split import Account, Split

Made = TypeVar("Made")
Files = dict[Dataset, dict[str, list[Path]]]
Accounts = dict[Dataset, dict[str, Account]]


class IngestConfig(StepConfig):
    """How dirty a delivery may be."""

    max_bad_share: float = Field(
        0.05, ge=0, le=1, description="share of refused rows above which a delivery stops the night"
    )
    only: Literal["events", "users", "items", "edges"] | None = Field(
        None, description="the one dataset to land, of this day alone; else all of them"
    )

    @property
    def datasets(self) -> tuple[Dataset, ...]:
        """What is landed."""
        return tuple(dataset for dataset in DELIVERED if self.only in (None, dataset.short_name))


def run(config: IngestConfig, io: StepIO) -> Summary:
    """Lands this day, and the files of earlier days that have not landed."""
    days, landed = _days_to_land(config, io)
    files = _files(config, io, days)
    spark = io.spark
    try:
        splits = _splits(io, spark, files, days)
        found = _side_by_side(lambda dataset: splits[dataset].accounts(), files)
        _commit_quarantine(config, io, splits, found, days)
        for dataset, by_day in found.items():
            for day, account in by_day.items():
                refuse_unless_fit(dataset, day, account, config.max_bad_share)
        _side_by_side(lambda dataset: io.write(dataset, splits[dataset].accepted(), days=days), files)
    finally:
        let_go(spark)
    for dataset in config.datasets:
        if dataset not in files and any((dataset.name, day) in landed for day in days):
            io.write(dataset, full_schema(dataset).empty_table(), days=days)
    _commit_ledgers(config, io, found, files, days)
    return _summary(found, days)


def _days_to_land(config: IngestConfig, io: StepIO) -> tuple[list[str], set[tuple[str, str]]]:
    """This day and every earlier one with files that have not landed; and which dataset and day have."""
    ledger = io.read(DELIVERIES, columns=["dataset", DS])
    landed = set(zip(ledger["dataset"].to_pylist(), ledger[DS].to_pylist(), strict=True))
    if config.only:
        return [io.ds], landed
    delivered = {(dataset.name, day) for dataset in DELIVERED for day in delivered_days(io.landing, dataset, io.ds)}
    return sorted({io.ds, *(day for _, day in delivered - landed)}), landed


def _files(config: IngestConfig, io: StepIO, days: list[str]) -> Files:
    """The files of these days, of every dataset that has any."""
    found: Files = {}
    for dataset in config.datasets:
        refuse_missing(io.landing, dataset, io.ds)
        by_day = {day: files for day in days if (files := files_of(io.landing, dataset, day))}
        if by_day:
            found[dataset] = by_day
            io.note_files(_paths(by_day))
    return found


def _paths(by_day: dict[str, list[Path]]) -> list[Path]:
    return [path for paths in by_day.values() for path in paths]


def _side_by_side(work: Callable[[Dataset], Made], datasets: Iterable[Dataset]) -> dict[Dataset, Made]:
    """The same work for several datasets: while Spark runs the tasks of one, it plans those of another."""
    several = tuple(datasets)
    with ThreadPoolExecutor(len(DELIVERED)) as pool:
        return dict(zip(several, pool.map(work, several), strict=True))


def _splits(io: StepIO, spark: SparkSession, files: Files, days: list[str]) -> dict[Dataset, Split]:
    try:
        return _side_by_side(lambda dataset: _split(io, spark, dataset, _paths(files[dataset]), days), files)
    except Exception as error:
        if explained := explain_unreadable(path for by_day in files.values() for path in _paths(by_day)):
            raise explained from error
        raise


def _split(io: StepIO, spark: SparkSession, dataset: Dataset, files: list[Path], days: list[str]) -> Split:
    """The delivered rows, beside those of other nights that they may repeat."""
    assert dataset.delivery is not None
    before = None
    if dataset.delivery.by_event_day:
        before = io.frame(dataset, since=days_before(days[0], LATE_DAYS))
        before = before.where(~before[LANDED_DS].isin(days))
    return Split(spark, dataset, files, before)


def _commit_quarantine(
    config: IngestConfig, io: StepIO, splits: dict[Dataset, Split], found: Accounts, days: list[str]
) -> None:
    frames = [
        splits[dataset].quarantined()
        for dataset, by_day in found.items()
        if any(account.quarantined for account in by_day.values())
    ]
    if config.only:
        before = io.frame(QUARANTINE, since=io.ds)
        frames.append(before.where(before["dataset"] != config.datasets[0].name))
    rows = reduce(DataFrame.unionByName, frames) if frames else full_schema(QUARANTINE).empty_table()
    io.write(QUARANTINE, rows, days=days)


def _commit_ledgers(config: IngestConfig, io: StepIO, found: Accounts, files: Files, days: list[str]) -> None:
    landings, deliveries = ([*_of_others(config, io, ledger)] for ledger in (LANDINGS, DELIVERIES))
    for dataset, by_day in found.items():
        for landed, account in by_day.items():
            for event_day, rows in account.accepted_by_day.items():
                landings.append({"dataset": dataset.name, "event_day": event_day, "accepted": rows, DS: landed})
            deliveries.append(
                {
                    "dataset": dataset.name,
                    "files": len(files[dataset][landed]),
                    "rows_in": account.rows_in,
                    "accepted": account.accepted,
                    "quarantined": account.quarantined,
                    "duplicates": account.duplicates,
                    "late": sum(n for day, n in account.accepted_by_day.items() if day < landed),
                    DS: landed,
                }
            )
    io.write(LANDINGS, pa.Table.from_pylist(landings, schema=full_schema(LANDINGS)), days=days)
    io.write(DELIVERIES, pa.Table.from_pylist(deliveries, schema=full_schema(DELIVERIES)), days=days)


def _of_others(config: IngestConfig, io: StepIO, ledger: Dataset) -> Iterator[dict[str, Any]]:
    """What a ledger says of the datasets that are not landed now."""
    if config.only:
        rows = io.read(ledger, since=io.ds).to_pylist()
        yield from (row for row in rows if row["dataset"] != config.datasets[0].name)


def _summary(found: Accounts, days: list[str]) -> Summary:
    totals: Counter[str] = Counter()
    per_dataset = {}
    for dataset, by_day in found.items():
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
