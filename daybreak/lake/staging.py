"""Rows become Parquet files that nobody sees yet, then move to the places a commit will name."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from daybreak.contracts import Dataset
from daybreak.errors import LakeError
from daybreak.lake.attempts import Attempt
from daybreak.lake.log import DataFile
from daybreak.lake.schemas import conform, data_schema, full_schema
from daybreak.lake.storage import Storage

ROWS_A_GROUP = 1 << 20


def stage_arrow(rows: pa.Table, dataset: Dataset, days: Sequence[str], folder: Path) -> None:
    """Writes `<folder>/<partition>=<value>/…/part-00000.parquet`, one file per partition."""
    for name in dataset.partition:
        if name not in rows.column_names and len(days) == 1:
            rows = rows.append_column(name, pa.array([days[0]] * rows.num_rows, pa.string()))
    rows = conform(rows, dataset, tuple(full_schema(dataset).names))
    partition = list(dataset.partition)
    for values in _distinct(rows, partition):
        place = folder.joinpath(*map("=".join, zip(partition, values, strict=True)))
        place.mkdir(parents=True)
        pq.write_table(
            _of_partition(rows, partition, values).select(list(dataset.column_names)),
            place / "part-00000.parquet",
            compression="zstd",
            row_group_size=ROWS_A_GROUP,
        )


def stage_batches(rows: pa.RecordBatchReader, dataset: Dataset, folder: Path) -> None:
    """The same for rows that come a batch at a time and say their partition: no more is held than a batch."""
    names, partition = tuple(full_schema(dataset).names), list(dataset.partition)
    with contextlib.ExitStack() as open_files:
        writers: dict[tuple[str, ...], pq.ParquetWriter] = {}
        for batch in rows:
            table = conform(pa.Table.from_batches([batch]), dataset, names)
            for values in _distinct(table, partition):
                if values not in writers:
                    place = folder.joinpath(*map("=".join, zip(partition, values, strict=True)))
                    place.mkdir(parents=True)
                    writer = pq.ParquetWriter(place / "part-00000.parquet", data_schema(dataset), compression="zstd")
                    writers[values] = open_files.enter_context(writer)
                chosen = _of_partition(table, partition, values)
                writers[values].write_table(chosen.select(list(dataset.column_names)))


def _distinct(rows: pa.Table, partition: list[str]) -> list[tuple[str, ...]]:
    found = rows.select(partition).group_by(partition).aggregate([])
    return list(zip(*(found[name].to_pylist() for name in partition), strict=True))


def _of_partition(rows: pa.Table, partition: list[str], values: tuple[str, ...]) -> pa.Table:
    for name, value in zip(partition, values, strict=True):
        rows = rows.filter(pc.equal(rows[name], value))
    return rows


def move_in(
    folder: Path, dataset: Dataset, storage: Storage, attempt: Attempt, days: Sequence[str], after: int
) -> list[DataFile]:
    """Moves staged files to their partitions and makes them durable. Their names belong to this attempt, and to its
    commit `after` a version, so that no file of an older version is ever written over."""
    moved = []
    for number, source in enumerate(sorted(folder.rglob("*.parquet"))):
        folders = source.relative_to(folder).parts[:-1]
        partition = dict(name.split("=", 1) for name in folders)
        day = partition[dataset.replaced_by]
        if day not in days:
            raise LakeError(
                f"{dataset.name}: rows of {day} cannot be written by a commit that replaces {', '.join(days)}"
            )
        found = pq.read_metadata(source)
        if rows := found.num_rows:
            _refuse_nulls(found, dataset)
            path = "/".join((*folders, f"{attempt.ds}-{attempt.token:06d}-{after:06d}-{number:05d}.parquet"))
            moved.append(DataFile(path, partition, rows, source.stat().st_size))
            storage.put_file(f"{dataset.name}/{path}", source)
    storage.settle([f"{dataset.name}/{file.path.rsplit('/', 1)[0]}" for file in moved])
    return moved


def _refuse_nulls(found: pq.FileMetaData, dataset: Dataset) -> None:
    """Raises where the statistics of a file tell of nulls that the contract forbids."""
    for group in range(found.num_row_groups):
        for number in range(found.num_columns):
            chunk = found.row_group(group).column(number)
            if chunk.path_in_schema not in dataset.column_names:
                continue  # inside a list, where nulls are the elements'
            nulls = chunk.statistics.null_count if chunk.statistics else 0
            if nulls and not dataset.column(chunk.path_in_schema).nullable:
                raise LakeError(
                    f"{dataset.name}.{chunk.path_in_schema} must not be null, but {nulls} rows have no value"
                )
