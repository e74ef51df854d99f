"""Judges delivered files inside Spark's tasks: every line of a file becomes a typed row or one with the rules it broke.

The judging itself is DuckDB's, in the Python worker of the task: one query over a stream of lines in Arrow. Spark's own
JSON expressions took four times as long for the same verdicts, and most of a small day went into compiling them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import types as T

from daybreak.contracts import DS, LANDED_DS, Dataset
from daybreak.lake.spark_tables import SPARK_TYPES
from jobs.landing.lines import LEGIBLE, LINE, NUMBER, read_lines
from jobs.landing.predicates import PATH, PLACE, ROW, RULES, judging

FILE_BITS = 40
"""A row's place is its file's number above this many bits, and its line's number below."""
TASKS_A_CORE = 4
WORTH_SHARING_BYTES = 4 << 20
ROWS_A_BATCH = 1 << 16
Batches = Iterator[pa.RecordBatch]


@dataclass(frozen=True)
class DeliveredFile:
    """A file of a delivery: its number in the order in which files count, where it lies, and the day it is for."""

    number: int
    path: Path
    day: str

    @property
    def below_landing(self) -> str:
        """Its path below the landing folder, as people write it."""
        return "/".join(self.path.parts[-3:])


@dataclass(frozen=True)
class Share:
    """A part of a file's lines: every `of`-th block, from `share` on."""

    file: DeliveredFile
    share: int = 0
    of: int = 1


def numbered(files: Sequence[Path]) -> list[DeliveredFile]:
    """The files with their numbers, and the days that their folders name."""
    return [DeliveredFile(number, path, path.parent.name.removeprefix("ds=")) for number, path in enumerate(files)]


def judged(spark: SparkSession, dataset: Dataset, files: Sequence[DeliveredFile]) -> DataFrame:
    """One row a line: the columns of the dataset and its partition, its place, and, where it broke the contract, the
    rules it broke, its file and the line as it came."""
    columns = [T.StructField(column.name, SPARK_TYPES[column.type]) for column in dataset.columns]
    texts = [T.StructField(name, T.StringType()) for name in (DS, LANDED_DS, PATH, RULES, ROW)]
    schema = T.StructType([*columns, *texts, T.StructField(PLACE, T.LongType())])
    names = schema.names
    return _for_each(spark, files, lambda shares: (batch.select(names) for batch in judge(dataset, shares)), schema)


def judge(dataset: Dataset, shares: Sequence[Share]) -> Batches:
    """The verdicts on the lines of some files, in this process."""
    first = next(lines := _lines(shares), None)
    if first is None:
        return
    stream = pa.RecordBatchReader.from_batches(first.schema, (batch for part in ([first], lines) for batch in part))
    with duckdb.connect(config={"threads": 1}) as engine:
        engine.execute("SET TimeZone = 'UTC'")
        engine.register("lines", stream)
        yield from engine.sql(judging(dataset, "lines")).to_arrow_reader(ROWS_A_BATCH)


def told_again(spark: SparkSession, files: Sequence[DeliveredFile]) -> DataFrame:
    """Every line of the files as it came, with its place."""
    texts = [T.StructField(name, T.StringType()) for name in (PATH, ROW)]
    return _for_each(spark, files, _tell, T.StructType([*texts, T.StructField(PLACE, T.LongType())]))


def _tell(shares: Sequence[Share]) -> Batches:
    for lines in _lines(shares):
        rows = [line.rstrip("\r\n") for line in lines[LINE].to_pylist()]
        yield pa.record_batch({PATH: lines[PATH].cast(pa.string()), ROW: rows, PLACE: lines[PLACE]})


def _lines(shares: Sequence[Share]) -> Batches:
    for share in shares:
        file = share.file
        for lines in read_lines(file.path, share.share, share.of):
            places = np.asarray(lines[NUMBER]) + (file.number << FILE_BITS)
            constants = {PATH: file.below_landing, LANDED_DS: file.day}
            columns = {name: _repeated(text, lines.num_rows) for name, text in constants.items()}
            yield from pa.table({**columns, PLACE: places, LINE: lines[LINE], LEGIBLE: lines[LEGIBLE]}).to_batches()


def _repeated(text: str, times: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(np.zeros(times, dtype=np.int8), [text])


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
