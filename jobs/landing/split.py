"""Splits a delivery: each line is accepted, quarantined with the rules it broke, or a duplicate. Nothing else can
happen to it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from daybreak.contracts import DS, LANDED_DS, Dataset
from jobs.landing.duplicates import CONFLICT, VERDICT, verdicts
from jobs.landing.judging import FILE_BITS, numbered
from jobs.landing.predicates import PATH, PLACE, ROW, RULES
from jobs.landing.tasks import judged, told_again


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
    """The rows of one dataset's deliveries, judged once and held by Spark until the session lets go of them."""

    def __init__(
        self, spark: SparkSession, dataset: Dataset, files: Sequence[Path], landed_before: DataFrame | None = None
    ) -> None:
        self.dataset = dataset
        self._spark = spark
        self._files = numbered(files)
        self._judged = judged(spark, dataset, self._files).localCheckpoint()
        self._good = self._judged.where(F.col(RULES).isNull())
        self._verdicts = verdicts(dataset, self._good, landed_before)

    def accounts(self) -> dict[str, Account]:
        """The account of each delivery, by its day; also of one whose files hold no rows."""
        rows_in, refused, duplicates = Counter[str](), Counter[str](), Counter[str]()
        accepted: defaultdict[str, Counter[str]] = defaultdict(Counter)
        of_good = F.when(F.col(RULES).isNull(), F.col(DS)).alias(DS)
        for landed, day, rows in self._judged.groupBy(LANDED_DS, of_good).count().collect():
            rows_in[landed] += rows
            if day is None:
                refused[landed] += rows
            else:
                accepted[landed][day] += rows
        if self._verdicts is not None:
            for landed, day, verdict, rows in self._verdicts.groupBy(LANDED_DS, DS, VERDICT).count().collect():
                accepted[landed][day] -= rows
                told = refused if verdict == CONFLICT else duplicates
                told[landed] += rows
        made = {}
        for landed in sorted({file.day for file in self._files}):
            by_day = {day: rows for day, rows in sorted(accepted[landed].items()) if rows}
            numbers = (rows_in[landed], sum(by_day.values()), refused[landed], duplicates[landed])
            made[landed] = Account(*numbers, accepted_by_day=by_day)
        return made

    def accepted(self) -> DataFrame:
        """The rows that land, in the columns of the dataset and its partition."""
        rows = self._good
        if self._verdicts is not None:
            rows = rows.join(F.broadcast(self._verdicts.select(PLACE)), on=PLACE, how="left_anti")
        return rows.select(*self.dataset.column_names, *self.dataset.partition)

    def quarantined(self) -> DataFrame:
        """The rows that were refused, whole, each with the rules it broke, its file and its line."""
        refused = self._judged.where(F.col(RULES).isNotNull()).select(PLACE, PATH, RULES, ROW, LANDED_DS)
        if self._verdicts is not None:
            refused = refused.unionByName(self._conflicts(self._verdicts.where(F.col(VERDICT) == CONFLICT)))
        return refused.select(
            F.lit(self.dataset.name).alias("dataset"),
            F.col(PATH).alias("file"),
            F.col(PLACE).bitwiseAND((1 << FILE_BITS) - 1).alias("line"),
            F.col(RULES).alias("rules"),
            F.col(ROW).alias("row"),
            F.col(LANDED_DS).alias(DS),
        )

    def _conflicts(self, conflicts: DataFrame) -> DataFrame:
        """The rows that contradict others, read again: a row that keeps its contract is held without its text."""
        numbers = {row[0] for row in conflicts.select(F.shiftright(PLACE, FILE_BITS)).distinct().collect()}
        broken = " ".join(f"{name}.{CONFLICT}" for name in self.dataset.identity)
        lines = told_again(self._spark, [file for file in self._files if file.number in numbers])
        wanted = conflicts.select(PLACE, LANDED_DS, F.lit(broken).alias(RULES))
        return lines.join(F.broadcast(wanted), on=PLACE, how="inner")
