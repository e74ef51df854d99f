"""Tables as Spark sees them: reading the files of a version, writing files for a commit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql import types as T

from daybreak.contracts import ColumnType, Dataset
from daybreak.errors import LakeError
from daybreak.lake.table import Table, Window

SPARK_TYPES: dict[ColumnType, T.DataType] = {
    ColumnType.STRING: T.StringType(),
    ColumnType.INT32: T.IntegerType(),
    ColumnType.INT64: T.LongType(),
    ColumnType.FLOAT64: T.DoubleType(),
    ColumnType.BOOL: T.BooleanType(),
    ColumnType.DATE: T.DateType(),
    ColumnType.TIMESTAMP: T.TimestampType(),
    ColumnType.STRINGS: T.ArrayType(T.StringType()),
    ColumnType.VECTOR: T.ArrayType(T.FloatType()),
}


def spark_schema(dataset: Dataset) -> T.StructType:
    """The columns of the table, its partition last."""
    columns = [T.StructField(c.name, SPARK_TYPES[c.type], c.nullable) for c in dataset.columns]
    return T.StructType([*columns, *(T.StructField(name, T.StringType(), False) for name in dataset.partition)])


def read_spark(spark: SparkSession, table: Table, window: Window, version: int | None) -> DataFrame:
    """The rows of the window in a version of the table, as a Spark frame."""
    schema = spark_schema(table.dataset)
    files = table.files(window, version)
    if not files:
        return spark.range(0).select([F.lit(None).cast(field.dataType).alias(field.name) for field in schema])
    folder, paths = table.local_paths(files)
    return spark.read.schema(schema).option("basePath", folder).parquet(*paths)


def stage_spark(rows: DataFrame, dataset: Dataset, days: Sequence[str], folder: Path) -> None:
    """Writes `<folder>/<partition>=<value>/…/part-*.parquet`: one file per partition for each of the frame's tasks; of
    many days, each day's rows are brought together first, lest every task writes a file of every day."""
    for name in dataset.partition:
        if name not in rows.columns and len(days) == 1:
            rows = rows.withColumn(name, F.lit(days[0]))
    wanted = spark_schema(dataset)
    missing = [name for name in wanted.names if name not in rows.columns]
    if missing:
        raise LakeError(
            f"{dataset.name}: rows to write lack {', '.join(missing)}; they have: {', '.join(rows.columns)}"
        )
    for field in wanted:
        found = rows.schema[field.name].dataType
        text = {isinstance(kind, T.StringType) for kind in (field.dataType, found)}
        if len(text) > 1 and not isinstance(found, T.NullType):
            raise LakeError(
                f"{dataset.name}.{field.name} must be {field.dataType.simpleString()}, got {found.simpleString()};"
                " convert it in the step"
            )
    partition = list(dataset.partition)
    shaped = rows.select([F.col(field.name).cast(field.dataType).alias(field.name) for field in wanted])
    if len(days) > 1:
        shaped = shaped.hint("rebalance", *partition)
    shaped.write.partitionBy(*partition).mode("overwrite").option("compression", "zstd").parquet(str(folder))
