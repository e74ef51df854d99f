"""Tells new rows from rows that have landed already, and from rows that contradict one that has.

The first row of an identity stands: what landed on an earlier night before what lands now, an earlier file and line
before a later one. A later row with the same contents is a duplicate; with other contents it is a conflict, which
is quarantined.
"""

from __future__ import annotations

from pyspark.sql import DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from daybreak.contracts import LANDED_DS, Dataset
from jobs.landing.lines import PLACE

VERDICT = "_verdict"
DUPLICATE = "duplicate"
CONFLICT = "conflict"
_CONTENT, _NEW = "_content", "_new"


def verdicts(dataset: Dataset, rows: DataFrame, landed_before: DataFrame) -> DataFrame:
    """The places of the rows that are duplicates or conflicts, with which; rows that stand are not in it."""
    identity = list(dataset.identity)
    content = F.xxhash64(*dataset.column_names, *(F.isnull(name) for name in dataset.column_names)).alias(_CONTENT)
    now = rows.select(*identity, content, F.lit(1).alias(_NEW), LANDED_DS, *PLACE)
    before = landed_before.select(
        *identity,
        content,
        F.lit(0).alias(_NEW),
        F.lit("").alias(LANDED_DS),
        F.lit("").alias(PLACE[0]),
        F.lit(0).cast("bigint").alias(PLACE[1]),
        F.lit(0).cast("bigint").alias(PLACE[2]),
    )
    everything = now.unionByName(before)
    contested = (
        everything.groupBy(*identity)
        .agg(F.count("*").alias("_rows"), F.max(_NEW).alias("_any_new"))
        .where("_rows > 1 and _any_new = 1")
        .select(*identity)
    )
    order = Over.partitionBy(*identity).orderBy(_NEW, LANDED_DS, *PLACE)
    return (
        everything.join(contested, on=identity, how="left_semi")
        .withColumn("_number", F.row_number().over(order))
        .withColumn("_stands", F.first(_CONTENT).over(order))
        .where(f"_number > 1 and {_NEW} = 1")
        .select(*PLACE, F.when(F.col(_CONTENT) == F.col("_stands"), DUPLICATE).otherwise(CONFLICT).alias(VERDICT))
    )
