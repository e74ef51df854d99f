"""Tells new rows from rows that have landed already, and from rows that contradict one that has.

The first row of an identity stands: what landed on an earlier night before what lands now, an earlier file and line
before a later one. A later row with the same contents is a duplicate; with other contents it is a conflict, which
is quarantined.
"""

from __future__ import annotations

from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F
from pyspark.sql import types as T

from daybreak.contracts import LANDED_DS, Dataset
from jobs.landing.lines import PLACE, SEQUENCE

VERDICT = "_verdict"
DUPLICATE = "duplicate"
CONFLICT = "conflict"
_CONTENT, _NEW, _KEY = "_content", "_new", "_key"


def verdicts(dataset: Dataset, rows: DataFrame, landed_before: DataFrame | None) -> DataFrame:
    """The sequence numbers of the rows that are duplicates or conflicts, with which; rows that stand are not in it."""
    identity = list(dataset.identity)
    everything = rows.select(*dataset.column_names, F.lit(1).alias(_NEW), LANDED_DS, *PLACE)
    if landed_before is not None:
        everything = everything.unionByName(_as_old(landed_before, dataset, everything.schema))
    everything = everything.withColumn(_KEY, F.xxhash64(*identity))
    order = Over.partitionBy(*identity).orderBy(_NEW, LANDED_DS, *PLACE)
    return (
        everything.join(F.broadcast(_contested(everything)), on=_KEY, how="left_semi")
        .select(*identity, _content(dataset).alias(_CONTENT), _NEW, LANDED_DS, *PLACE)
        .withColumn("_number", F.row_number().over(order))
        .withColumn("_stands", F.first(_CONTENT).over(order))
        .where(f"_number > 1 and {_NEW} = 1")
        .select(SEQUENCE, F.when(F.col(_CONTENT) == F.col("_stands"), DUPLICATE).otherwise(CONFLICT).alias(VERDICT))
    )


def _as_old(landed: DataFrame, dataset: Dataset, schema: T.StructType) -> DataFrame:
    """Landed rows in the columns of delivered ones, without a place, so that they come before them."""
    nowhere = (F.lit(None).cast(schema[name].dataType).alias(name) for name in (LANDED_DS, *PLACE))
    return landed.select(*dataset.column_names, F.lit(0).alias(_NEW), *nowhere)


def _contested(everything: DataFrame) -> DataFrame:
    """The hashed identities of more than one row, one of them new: few, so that only their rows are compared."""
    counted = everything.groupBy(_KEY).agg(F.count("*").alias("_rows"), F.max(_NEW).alias("_any_new"))
    return counted.where("_rows > 1 and _any_new = 1").select(_KEY)


def _content(dataset: Dataset) -> Column:
    return F.xxhash64(*dataset.column_names, *(F.isnull(name) for name in dataset.column_names))
