"""What tells the lists of a night from any others, and the lists in the order of their keys, a part at a time."""

from __future__ import annotations

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.parquet as pq

from daybreak.datasets import LISTS
from daybreak.lake.digest import digest_of
from daybreak.step_io import StepIO

ROWS_AT_ONCE = 1 << 18


def lists_digest(io: StepIO) -> str:
    """The digest of this night's lists."""
    return digest_of(_parts(io))


def _parts(io: StepIO) -> Iterator[pa.Table]:
    for path in io.paths(LISTS, since=io.ds, until=io.ds):
        with pq.ParquetFile(path) as file:
            for batch in file.iter_batches(ROWS_AT_ONCE, columns=[column.name for column in LISTS.columns]):
                yield pa.Table.from_batches([batch])
