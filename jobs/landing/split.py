"""Splits a delivery: each line is accepted, quarantined with the rules it broke, or a duplicate. Nothing else can
happen to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

from pyspark import StorageLevel
from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import functions as F

from daybreak.contracts import DS, LANDED_DS, Dataset
from jobs.landing.duplicates import CONFLICT, DUPLICATE, VERDICT, verdicts
from jobs.landing.lines import FILE, LINE, PLACE, SEQUENCE, TEXT, line_numbers, path_of, read_lines, readable
from jobs.landing.predicates import FIELDS, broken_rules, is_broken, parsed, typed

BROKEN = "_broken"


@dataclass(frozen=True)
class Account:
    """What became of the rows of one delivery: rows in = accepted + quarantined + duplicates."""

    rows_in: int
    accepted: int
    quarantined: int
    duplicates: int
    accepted_by_day: dict[str, int]

    @property
    def bad_share(self) -> float:
        return self.quarantined / self.rows_in if self.rows_in else 0.0


class Split:
    """The rows of one dataset's deliveries, judged. Call `release` when all that is wanted was read."""

    def __init__(
        self, spark: SparkSession, dataset: Dataset, files: Sequence[Path], landed_before: DataFrame | None = None
    ) -> None:
        self.dataset = dataset
        self._lines = read_lines(spark, files)
        self._judged = _judged(dataset, self._lines).persist(StorageLevel.MEMORY_AND_DISK)
        good = self._judged.where(~F.col(BROKEN))
        self._verdicts = verdicts(dataset, good, landed_before).persist(StorageLevel.MEMORY_AND_DISK)
        rows = self._judged.where(F.col(BROKEN).isNotNull())
        self._resolved = rows.join(F.broadcast(self._verdicts), on=SEQUENCE, how="left")

    def counts(self) -> DataFrame:
        """How many rows of each delivered day had which fate, and for those accepted, of which day they are."""
        fate = (
            F.when(self._is_refused(), "quarantined")
            .when(F.col(VERDICT) == DUPLICATE, "duplicates")
            .otherwise("accepted")
        )
        day = F.when(fate == "accepted", F.col(DS))
        counted = self._resolved.groupBy(LANDED_DS, fate.alias("fate"), day.alias("day")).count()
        return counted.select(F.lit(self.dataset.name).alias("dataset"), LANDED_DS, "fate", "day", "count")

    def accepted(self) -> DataFrame:
        """The rows that land, in the columns of the dataset and its partition."""
        names = [*self.dataset.column_names, *self.dataset.partition]
        return self._resolved.where(~F.col(BROKEN) & F.col(VERDICT).isNull()).select(*names)

    def quarantined(self) -> DataFrame:
        """The rows that were refused, whole, each with the rules it broke, its file and its line."""
        key = " ".join(f"{name}.{CONFLICT}" for name in self.dataset.identity)
        refused = self._resolved.where(self._is_refused()).select(*PLACE, VERDICT)
        places = line_numbers(self._judged, refused).select(SEQUENCE, VERDICT, LINE)
        rows = _read(self.dataset, self._lines.join(F.broadcast(places), on=SEQUENCE, how="inner"), VERDICT, LINE)
        rules = F.expr(broken_rules(self.dataset))
        return rows.select(
            F.lit(self.dataset.name).alias("dataset"),
            path_of(FILE).alias("file"),
            F.col(LINE).alias("line"),
            F.when(F.col(VERDICT) == CONFLICT, F.lit(key)).otherwise(rules).alias("rules"),
            readable(TEXT).alias("row"),
            F.col(LANDED_DS).alias(DS),
        )

    @staticmethod
    def _is_refused() -> Column:
        return F.col(BROKEN) | F.coalesce(F.col(VERDICT) == CONFLICT, F.lit(False))

    def release(self) -> None:
        self._verdicts.unpersist()
        self._judged.unpersist()


def accounts(splits: Sequence[Split]) -> dict[str, dict[str, Account]]:
    """The account of each delivery, by the dataset's name and the day; counted in one go."""
    if not splits:
        return {}
    counts = reduce(DataFrame.unionByName, (split.counts() for split in splits)).collect()
    made: dict[str, dict[str, Account]] = {split.dataset.name: {} for split in splits}
    for dataset, landed in sorted({(row["dataset"], row[LANDED_DS]) for row in counts}):
        mine = [row for row in counts if (row["dataset"], row[LANDED_DS]) == (dataset, landed)]
        totals = {"accepted": 0, "quarantined": 0, "duplicates": 0}
        for row in mine:
            totals[row["fate"]] += row["count"]
        by_day = {row["day"]: row["count"] for row in mine if row["fate"] == "accepted"}
        made[dataset][landed] = Account(sum(totals.values()), **totals, accepted_by_day=dict(sorted(by_day.items())))
    return made


def _read(dataset: Dataset, lines: DataFrame, *others: str) -> DataFrame:
    """Each line with its parsed fields and typed values, beside what else is asked for."""
    values = [f"{typed(column)} AS {column.name}" for column in dataset.columns]
    fields = lines.selectExpr("*", f"{parsed(dataset)} AS {FIELDS}")
    return fields.selectExpr(TEXT, FIELDS, LANDED_DS, *PLACE, *others, *values)


def _judged(dataset: Dataset, lines: DataFrame) -> DataFrame:
    """Each line typed and checked against the contract; blank lines are no rows, and neither good nor broken."""
    assert dataset.delivery is not None
    happened = f"CAST(CAST({dataset.delivery.time_column} AS DATE) AS STRING)"
    day = happened if dataset.delivery.by_event_day else LANDED_DS
    broken = f"{is_broken(dataset)} AS {BROKEN}"
    return _read(dataset, lines).selectExpr(*dataset.column_names, broken, LANDED_DS, *PLACE, f"{day} AS {DS}")
