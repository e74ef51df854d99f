"""The files of a delivery, judged by Spark's tasks: who judges what, and the frames that come of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from daybreak.contracts import DS, LANDED_DS, Dataset
from daybreak.lake.spark_tables import SPARK_TYPES
from jobs.landing.judging import Batches, DeliveredFile, Share, judge, tell_again
from jobs.landing.predicates import PATH, PLACE, ROW, RULES

TASKS_A_CORE = 4
WORTH_SHARING_BYTES = 4 << 20


def judged(spark: SparkSession, dataset: Dataset, files: Sequence[DeliveredFile]) -> DataFrame:
    """One row per line: the columns of the dataset and its partition, its place, and, where it broke the contract, the
    rules it broke, its file and the line as it came."""
    columns = [T.StructField(column.name, SPARK_TYPES[column.type]) for column in dataset.columns]
    texts = [T.StructField(name, T.StringType()) for name in (DS, LANDED_DS, PATH, RULES, ROW)]
    schema = T.StructType([*columns, *texts, T.StructField(PLACE, T.LongType())])
    names = schema.names
    return _for_each(spark, files, lambda shares: (batch.select(names) for batch in judge(dataset, shares)), schema)


def told_again(spark: SparkSession, files: Sequence[DeliveredFile]) -> DataFrame:
    """Every line of the files as it came, with its place."""
    texts = [T.StructField(name, T.StringType()) for name in (PATH, ROW)]
    return _for_each(spark, files, tell_again, T.StructType([*texts, T.StructField(PLACE, T.LongType())]))


def _for_each(
    spark: SparkSession,
    files: Sequence[DeliveredFile],
    read: Callable[[Sequence[Share]], Batches],
    schema: T.StructType,
) -> DataFrame:
    """What `read` makes of the files; a task takes files that follow each other, or its share of a large one."""
    tasks = shared_out(files, spark.sparkContext.defaultParallelism)

    def of_tasks(numbers: Batches) -> Batches:
        for batch in numbers:
            for number in batch.column("id").to_pylist():
                yield from read(tasks[number])

    return spark.range(0, len(tasks), 1, len(tasks)).mapInArrow(of_tasks, schema)


def shared_out(files: Sequence[DeliveredFile], cores: int) -> list[list[Share]]:
    """The work of each task: about as many bytes each, few tasks a core.

    Where a file is more than a core's part of all bytes, as many tasks as that asks for read it, each judging its
    share of the blocks: a compressed file can only be read from its start.
    """
    sizes = {file: file.path.stat().st_size for file in files}
    fair = max(WORTH_SHARING_BYTES, -(-sum(sizes.values()) // cores))
    enough = sum(sizes.values()) // (cores * TASKS_A_CORE)
    tasks: list[list[Share]] = []
    room = 0
    for file, size in sizes.items():
        of = min(cores, -(-size // fair))
        if of > 1:
            tasks += [[Share(file, share, of)] for share in range(of)]
            room = 0
        elif room > 0:
            tasks[-1].append(Share(file))
            room -= size
        else:
            tasks.append([Share(file)])
            room = enough - size
    return tasks
