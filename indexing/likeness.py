"""Items that are alike: those whose vectors, all of one space, point nearly the same way. All pairs are looked at,
exactly, in blocks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from pydantic import Field

from daybreak.contracts import DS, Dataset
from daybreak.lake.schemas import full_schema
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from indexing.arrays import Floats
from indexing.exact import Exact

DIGITS = 6
COLUMNS = ("item_id", "neighbour_id", "score")


class LikenessConfig(StepConfig):
    """How many neighbours are kept, how alike they must be, and how many items are asked for at once."""

    neighbours: int = Field(60, ge=1, description="items kept beside each item")
    least: float = Field(0.1, ge=-1, le=1, description="cosine that a neighbour must reach")
    block: int = Field(8_192, ge=1, description="items asked for at once")


@dataclass(frozen=True)
class OneSpace:
    """The items of one space, ordered by id, their vectors, each of length 1, and how many items are left out."""

    space: str | None
    ids: pa.Array
    vectors: Floats
    without_vector: int
    of_other_spaces: int


def write_alike(items: OneSpace, dataset: Dataset, config: LikenessConfig, io: StepIO) -> Summary:
    """Writes the neighbours of each item, and tells of how many items, and how many have none."""
    batches = alike(items, config.neighbours, config.least, config.block)
    stamped = (batch.append_column(DS, pa.repeat(io.ds, batch.num_rows)) for batch in batches)
    commit = io.write(dataset, pa.RecordBatchReader.from_batches(full_schema(dataset), stamped))
    left_out = {"without_vector": items.without_vector, "of_other_spaces": items.of_other_spaces}
    space = items.space if len(items.ids) else "no item that may be shown has a vector"
    return {"space": space, "items": len(items.ids), "pairs": commit.rows, **left_out}


def alike(items: OneSpace, neighbours: int, least: float, block: int) -> Iterator[pa.RecordBatch]:
    """The neighbours of each item, block by block, those of the highest cosine first; of equal ones the first id."""
    exact = Exact(items.vectors)
    for start in range(0, len(items.ids), block):
        rows = np.arange(start, min(start + block, len(items.ids)))
        places, cosines = exact.top_k(items.vectors[rows], neighbours, own=rows)
        scores = np.round(cosines.astype(np.float64), DIGITS)
        lines, ranks = np.nonzero(scores >= least)
        columns = [
            items.ids.take(pa.array(rows[lines])),
            items.ids.take(pa.array(places[lines, ranks])),
            pa.array(scores[lines, ranks]),
        ]
        yield pa.record_batch(columns, names=list(COLUMNS))
