"""Lists for whole populations out of one release: block by block, here, or by Spark's workers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from daybreak.lake.schemas import data_schema
from daybreak.learning import ITEM, TOWER_CANDIDATES, USER
from daybreak.releases import Release, ReleaseStore
from indexing.arrays import NOWHERE
from indexing.opened import OpenIndex
from indexing.spaces import Space, in_space

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

DIGITS = 6
SCHEMA = data_schema(TOWER_CANDIDATES)
COLUMNS = "query string, query_id string, rank int, item_id string, score double, version int"
"""The same for Spark."""
Batches = Iterator[pa.RecordBatch]


@dataclass(frozen=True)
class Listing:
    """What is listed: how much for a user and beside an item, how many at once, and by which version."""

    a_user: int
    an_item: int
    block: int
    exact_up_to: int
    version: int

    def blocks(self, index: OpenIndex) -> list[tuple[Space, int]]:
        """Where each block of users, and then of items, begins."""
        sizes = {Space.FOR_USERS: len(index.users), Space.FOR_ITEMS: len(index.items)}
        return [(space, start) for space, size in sizes.items() for start in range(0, size, self.block)]

    def listed(self, index: OpenIndex, space: Space, start: int) -> pa.RecordBatch:
        """The lists of a block."""
        asked, query = (index.users, USER) if space is Space.FOR_USERS else (index.items, ITEM)
        length = self.a_user if query == USER else self.an_item
        stop = min(start + self.block, len(asked))
        queries = in_space(space, np.asarray(asked.vectors[start:stop]))
        own = np.arange(start, stop) if query == ITEM else None
        rows, scores = index.search(space, queries, length, own=own, exact=len(index.items) <= self.exact_up_to)
        lines, ranks = np.nonzero(rows != NOWHERE)
        columns = [
            pa.array([query] * len(lines), pa.string()),
            asked.ids.take(pa.array(start + lines)),
            pa.array(ranks, pa.int32()),
            index.items.ids.take(pa.array(rows[lines, ranks])),
            pa.array(np.round(scores[lines, ranks].astype(np.float64), DIGITS)),
            pa.array([self.version] * len(lines), pa.int32()),
        ]
        return pa.record_batch(columns, schema=SCHEMA)


def listed_here(listing: Listing, index: OpenIndex) -> Batches:
    """All lists, made in this process."""
    for space, start in listing.blocks(index):
        yield listing.listed(index, space, start)


def listed_by_spark(
    spark: SparkSession, listing: Listing, index: OpenIndex, release: Release, *, ship: bool
) -> DataFrame:
    """The same lists, a task for each block. Workers map the release where it lies, or, with `ship`, a copy that Spark
    brings to each of them."""
    blocks = [(space.value, start) for space, start in listing.blocks(index)]
    if ship:
        spark.sparkContext.addFile(str(release.path), recursive=True)
    frame = spark.range(0, len(blocks), numPartitions=len(blocks))
    return frame.mapInArrow(
        _by_worker(listing, blocks, None if ship else str(release.path.parent), release.id), COLUMNS
    )


def _by_worker(
    listing: Listing, blocks: list[tuple[str, int]], folder: str | None, release_id: str
) -> Callable[[Batches], Batches]:
    def listed(batches: Batches) -> Batches:
        index = _opened(folder or _shipped(), release_id)
        for batch in batches:
            for number in batch.column(0).to_pylist():
                space, start = blocks[number]
                yield listing.listed(index, Space(space), start)

    return listed


@lru_cache(maxsize=2)
def _opened(folder: str, release_id: str) -> OpenIndex:
    """The index, opened once in each worker process."""
    channel = Path(folder)
    return OpenIndex.of(ReleaseStore(channel.parent, channel.name).open(release_id))


def _shipped() -> str:
    """Where Spark has put what it was given."""
    from pyspark import SparkFiles

    return str(SparkFiles.getRootDirectory())
