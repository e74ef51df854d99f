"""Delivered lines as Spark rows that know where they stood."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from pyspark.sql import Column, DataFrame, SparkSession
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from daybreak.contracts import LANDED_DS

FILE, BLOCK, SEQUENCE, LINE, TEXT = "_file", "_block", "_sequence", "_line", "_text"
PLACE = (FILE, BLOCK, SEQUENCE)
_PATTERN_CHARACTERS = re.compile(r"([\\{}\[\]*?])")


def read_lines(spark: SparkSession, files: Sequence[Path]) -> DataFrame:
    """One row a line: its text, the day that delivers it (from its folder's name) and its place.

    `SEQUENCE` alone tells two lines of one reading apart, and reading the same files again gives the same numbers.
    """
    return spark.read.text([_PATTERN_CHARACTERS.sub(r"\\\1", str(path)) for path in files]).select(
        F.col("value").alias(TEXT),
        F.regexp_extract("_metadata.file_path", r"/ds=(\d{4}-\d{2}-\d{2})/[^/]+$", 1).alias(LANDED_DS),
        F.col("_metadata.file_path").alias(FILE),
        F.col("_metadata.file_block_start").alias(BLOCK),
        F.monotonically_increasing_id().alias(SEQUENCE),
    )


def line_numbers(places: DataFrame, wanted: DataFrame) -> DataFrame:
    """The `wanted` rows (few) with their line number, counted from 1 over all blocks of a file; `places` are all lines.

    Within a block the sequence grows by one a line; where a block begins is known from the blocks before it.
    """
    blocks = places.groupBy(FILE, BLOCK).agg(F.min(SEQUENCE).alias("_first"), F.count("*").alias("_lines"))
    before = Over.partitionBy(FILE).orderBy(BLOCK).rowsBetween(Over.unboundedPreceding, -1)
    blocks = blocks.withColumn("_before", F.coalesce(F.sum("_lines").over(before), F.lit(0)))
    numbered = wanted.join(F.broadcast(blocks), on=[FILE, BLOCK], how="inner")
    return numbered.withColumn(LINE, F.col("_before") + F.col(SEQUENCE) - F.col("_first") + 1)


def path_of(file: str) -> Column:
    """The path of a file below the landing folder, as people write it; Spark tells it whole, as a URL."""
    below = F.regexp_extract(file, r"[^/]+/ds=[^/]+/[^/]+$", 0)
    return F.url_decode(F.replace(below, F.lit("+"), F.lit("%2B")))


def readable(text: str) -> Column:
    """The text of a line as UTF-8; what is no UTF-8 is read byte for byte as Latin-1, so that nothing of it is lost."""
    return F.when(F.is_valid_utf8(text), F.col(text)).otherwise(F.decode(F.col(text).cast("binary"), "ISO-8859-1"))
