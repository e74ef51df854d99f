"""Tells new rows from rows that have landed already, and from rows that contradict one that has.

The first row of an identity stands: what landed on an earlier night before what lands now, an earlier file and line
before a later one. A later row with the same contents is a duplicate; with other contents it is a conflict, which
is quarantined. A state that is told again on another day is neither: it is the state of that day too.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from daybreak.contracts import DS, LANDED_DS, Dataset
from jobs.landing.predicates import PLACE

VERDICT = "_verdict"
DUPLICATE = "duplicate"
CONFLICT = "conflict"
_CONTENT, _KEY = "_content", "_key"
_LANDED = -1
"""The place of rows that have landed: before every other."""


def verdicts(dataset: Dataset, rows: DataFrame, landed_before: DataFrame | None) -> DataFrame | None:
    """The places of the rows that are duplicates or conflicts, with which and with their days; rows that stand are not
    in it. None where all stand."""
    everything = _compared(dataset, rows, F.col(PLACE))
    if landed_before is not None:
        everything = everything.unionByName(_compared(dataset, landed_before, F.lit(_LANDED)))
    contested = _contested(everything).localCheckpoint()
    if contested.isEmpty():
        return None
    order = Over.partitionBy(*dataset.lands_once).orderBy(PLACE)
    return (
        everything.join(F.broadcast(contested), on=_KEY, how="left_semi")
        .withColumn(_CONTENT, _content(dataset))
        .withColumn("_number", F.row_number().over(order))
        .withColumn("_stands", F.first(_CONTENT).over(order))
        .where(f"_number > 1 and {PLACE} <> {_LANDED}")
        .withColumn(VERDICT, F.when(F.col(_CONTENT) == F.col("_stands"), DUPLICATE).otherwise(CONFLICT))
        .select(PLACE, VERDICT, LANDED_DS, DS)
        .localCheckpoint()
    )


def _compared(dataset: Dataset, rows: DataFrame, place: Column) -> DataFrame:
    days = [F.col(name) if name in rows.columns else F.lit(None).alias(name) for name in (LANDED_DS, DS)]
    key = F.xxhash64(*dataset.lands_once).alias(_KEY)
    return rows.select(*dataset.column_names, place.cast("long").alias(PLACE), *days, key)


def _contested(everything: DataFrame) -> DataFrame:
    """The hashed identities of more than one row, one of them new: few, so that only their rows are compared."""
    counted = everything.groupBy(_KEY).agg(F.count("*").alias("_rows"), F.max(PLACE).alias("_last"))
    return counted.where(f"_rows > 1 and _last <> {_LANDED}").select(_KEY)


def _content(dataset: Dataset) -> Column:
    return F.xxhash64(*dataset.column_names, *(F.isnull(name) for name in dataset.column_names))
