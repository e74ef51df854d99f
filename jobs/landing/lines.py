"""Delivered lines as Spark rows that know where they stood."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from daybreak.contracts import LANDED_DS

FILE, BLOCK, SEQUENCE, LINE = "_file", "_block", "_sequence", "_line"
PLACE = (FILE, BLOCK, SEQUENCE)


def read_lines(spark: SparkSession, files: Sequence[Path]) -> DataFrame:
    """One row a line: its text, the day that delivers it (from its folder's name) and its place."""
    return spark.read.text([str(path) for path in files]).select(
        F.col("value"),
        F.regexp_extract("_metadata.file_path", r"/ds=(\d{4}-\d{2}-\d{2})/[^/]+$", 1).alias(LANDED_DS),
        F.col("_metadata.file_path").alias(FILE),
        F.col("_metadata.file_block_start").alias(BLOCK),
        F.monotonically_increasing_id().alias(SEQUENCE),
    )


def numbered(lines: DataFrame, wanted: DataFrame) -> DataFrame:
    """The `wanted` places (few) with their text and their line number, counted from 1 over all blocks of a file.

    Within a block the sequence grows by one a line; where a block begins is known from the blocks before it.
    """
    blocks = lines.groupBy(FILE, BLOCK).agg(F.min(SEQUENCE).alias("_first"), F.count("*").alias("_lines"))
    before = Over.partitionBy(FILE).orderBy(BLOCK).rowsBetween(Over.unboundedPreceding, -1)
    blocks = blocks.withColumn("_before", F.coalesce(F.sum("_lines").over(before), F.lit(0)))
    return (
        lines.join(F.broadcast(wanted), on=list(PLACE), how="inner")
        .join(F.broadcast(blocks), on=[FILE, BLOCK], how="inner")
        .withColumn(LINE, F.col("_before") + F.col(SEQUENCE) - F.col("_first") + 1)
    )
