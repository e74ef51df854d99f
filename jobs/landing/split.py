"""Splits a delivery: each line is accepted, quarantined with the rules it broke, or a duplicate. Nothing else can
happen to it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pyspark import StorageLevel
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from daybreak.contracts import DS, LANDED_DS, Dataset
from jobs.landing.duplicates import CONFLICT, DUPLICATE, VERDICT, verdicts
from jobs.landing.lines import FILE, LINE, PLACE, numbered, read_lines
from jobs.landing.predicates import broken_rules, text_schema, typed

RULES = "_rules"


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

    def __init__(self, spark: SparkSession, dataset: Dataset, files: Sequence[Path], landed_before: DataFrame) -> None:
        self.dataset = dataset
        self._lines = read_lines(spark, files)
        self._judged = _judged(dataset, self._lines).persist(StorageLevel.MEMORY_AND_DISK)
        good = self._judged.where(F.col(RULES) == "")
        self._verdicts = verdicts(dataset, good, landed_before).persist(StorageLevel.MEMORY_AND_DISK)
        self._resolved = self._judged.join(F.broadcast(self._verdicts), on=list(PLACE), how="left")

    def accounts(self) -> dict[str, Account]:
        """The account of each delivered day."""
        is_good = F.col(RULES) == ""
        status = F.when(~is_good | (F.col(VERDICT) == CONFLICT), "quarantined").otherwise(
            F.when(F.col(VERDICT) == DUPLICATE, "duplicates").otherwise("accepted")
        )
        day = F.when(status == "accepted", F.col(DS))
        counts = self._resolved.groupBy(LANDED_DS, status.alias("status"), day.alias("day")).count().collect()
        accounts = {}
        for landed in sorted({row[LANDED_DS] for row in counts}):
            mine = [row for row in counts if row[LANDED_DS] == landed]
            totals = {"accepted": 0, "quarantined": 0, "duplicates": 0}
            for row in mine:
                totals[row["status"]] += row["count"]
            by_day = {row["day"]: row["count"] for row in mine if row["status"] == "accepted"}
            accounts[landed] = Account(sum(totals.values()), **totals, accepted_by_day=dict(sorted(by_day.items())))
        return accounts

    def accepted(self) -> DataFrame:
        """The rows that land, in the columns of the dataset and its partition."""
        names = [*self.dataset.column_names, *self.dataset.partition]
        stands = (F.col(RULES) == "") & F.col(VERDICT).isNull()
        return self._resolved.where(stands).select(*(F.col(name) for name in names))

    def quarantined(self) -> DataFrame:
        """The rows that were refused, whole, each with the rules it broke, its file and its line."""
        key = " ".join(f"{name}.{CONFLICT}" for name in self.dataset.identity)
        refused = self._resolved.select(
            *PLACE, F.when(F.col(VERDICT) == CONFLICT, F.lit(key)).otherwise(F.col(RULES)).alias("rules"), VERDICT
        ).where((F.col("rules") != "") & (F.col(VERDICT).isNull() | (F.col(VERDICT) == CONFLICT)))
        return numbered(self._lines, refused).select(
            F.lit(self.dataset.name).alias("dataset"),
            F.regexp_extract(FILE, r"[^/]+/ds=[^/]+/[^/]+$", 0).alias("file"),
            F.col(LINE).alias("line"),
            "rules",
            F.col("value").alias("row"),
            F.col(LANDED_DS).alias(DS),
        )

    def release(self) -> None:
        self._verdicts.unpersist()
        self._judged.unpersist()


def _judged(dataset: Dataset, lines: DataFrame) -> DataFrame:
    """Each line parsed, typed and checked against the contract. Blank lines are no rows."""
    assert dataset.delivery is not None
    line, fields, landed = F.col("value"), F.col("_fields"), F.col(LANDED_DS)
    parsed = lines.where(F.trim(line) != "").withColumn(
        "_fields",
        F.from_json(line, text_schema(dataset), {"columnNameOfCorruptRecord": "_corrupt", "mode": "PERMISSIVE"}),
    )
    columns = [typed(column, fields[column.name]).alias(column.name) for column in dataset.columns]
    rules = broken_rules(dataset, line, fields, landed).alias(RULES)
    judged = parsed.select(*columns, rules, LANDED_DS, *PLACE)
    if dataset.delivery.by_event_day:
        return judged.withColumn(DS, F.date_format(dataset.delivery.time_column, "yyyy-MM-dd"))
    return judged.withColumn(DS, F.col(LANDED_DS))
