"""The vectors of a night, as its tables tell them: read, put together, and as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from daybreak.contracts import DS
from daybreak.embeddings import EMBEDDING_RUNS, EMBEDDINGS
from daybreak.errors import ModelError
from daybreak.step_io import StepIO


@dataclass(frozen=True)
class EmbeddingRun:
    """What a night's vectors are of."""

    version: int
    digest: str
    since: str


def run_of(io: StepIO, ds: str) -> EmbeddingRun | None:
    """What the vectors of a night are of; None where no model made any."""
    rows = io.read(EMBEDDING_RUNS, since=ds, until=ds, columns=["version", "digest", "since"]).to_pylist()
    return EmbeddingRun(**rows[0]) if rows else None


def vectors_of(io: StepIO, run: EmbeddingRun, until: str, columns: tuple[str, ...] = ("vector",)) -> pa.Table:
    """The newest row of each id that the run stands on, ordered by entity and id."""
    rows = io.read(EMBEDDINGS, since=run.since, until=until, columns=["version", "entity", "entity_id", DS, *columns])
    order = [("entity", "ascending"), ("entity_id", "ascending"), (DS, "descending")]
    rows = rows.filter(pc.equal(rows["version"], run.version)).sort_by(order)
    if not rows.num_rows:
        return rows
    keys = pc.binary_join_element_wise(rows["entity"], rows["entity_id"], "/").combine_chunks()
    changes, nights = _differ(keys), _differ(rows[DS].combine_chunks())
    twice = pc.index(pc.or_(changes, nights), False).as_py()
    if twice >= 0:
        raise ModelError(
            f"{EMBEDDINGS.name} of {rows[DS][twice].as_py()}: {keys[twice].as_py()} stands there more than once; run"
            " training.embeddings with full=true for that night"
        )
    return rows.filter(pa.concat_arrays([pa.array([True]), changes]))


def _differ(column: pa.Array) -> pa.BooleanArray:
    """Whether each value but the first differs from the one before it."""
    return pc.not_equal(column.slice(1), column.slice(0, len(column) - 1))


def matrix_of(vectors: pa.ChunkedArray, whose: str, way_out: str) -> npt.NDArray[np.float32]:
    """Vectors as the rows of one array; an error, with the way out, where they are not of one length."""
    flat = vectors.combine_chunks()
    lengths = pc.unique(pc.list_value_length(flat)).to_pylist()
    if len(lengths) > 1 or None in lengths:
        raise ModelError(
            f"{whose}: the vectors have different lengths ({', '.join(map(str, lengths))}), so they are of different"
            f" models; {way_out}"
        )
    width = lengths[0] if lengths else 0
    values: Any = flat.flatten().to_numpy(zero_copy_only=False)
    return np.ascontiguousarray(values.reshape(len(flat), width), np.float32)


def listed(vectors: npt.NDArray[np.float32]) -> pa.ListArray:
    """The rows of an array as a column of vectors."""
    offsets = np.arange(len(vectors) + 1, dtype=np.int32) * vectors.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(vectors.reshape(-1), pa.float32()))


def directions(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Vectors without their bias and of length 1: what tells how alike two are, and not how much they are wanted."""
    plain = vectors[:, :-1]
    lengths = np.linalg.norm(plain, axis=1, keepdims=True)
    return np.asarray(plain / np.maximum(lengths, 1e-9), np.float32)
