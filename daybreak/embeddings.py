"""Vectors of users and items: the tables they are kept in, and how the vectors of a night are put together.

The product of a user's vector and an item's is what the model gives the item to the user. The last place of an item's
vector is how much everybody wants it, and of a user's vector it is 1: without that place vectors are directions, whose
angle says how alike two things are.

A night writes the vectors that it made. Those of a night are the newest of each id since the last night that made all
of them, which `embeddings/runs` names; all of them are of one version of the model.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from daybreak.contracts import DS, Between, Column, ColumnType, Dataset, OneOf
from daybreak.errors import ModelError
from daybreak.learning import ENTITIES, Model

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from daybreak.step_io import StepIO

STRING, INT32, INT64 = ColumnType.STRING, ColumnType.INT32, ColumnType.INT64
FLOAT64, BOOL, VECTOR = ColumnType.FLOAT64, ColumnType.BOOL, ColumnType.VECTOR
_MODEL = Column("model", STRING, "the model that made them", rules=(OneOf((Model.TWO_TOWER,)),))
_VERSION = Column("version", INT32, "its version in the registry", rules=(Between(1),))
_DIGEST = Column("digest", STRING, "what tells the model from any other, byte by byte")

EMBEDDINGS = Dataset(
    name="embeddings/vectors",
    doc="The vectors that a night made: of whoever's inputs had changed, or of everybody.",
    columns=(
        _VERSION,
        Column("entity", STRING, "what the id names", rules=(OneOf(ENTITIES),)),
        Column("entity_id", STRING, "whose vector it is"),
        Column("inputs", INT64, "a fingerprint of what it was made from"),
        Column("vector", VECTOR, "the vector; its last place is a bias"),
    ),
    key=("entity", "entity_id"),
)

EMBEDDING_RUNS = Dataset(
    name="embeddings/runs",
    doc="Which model's vectors a night stands on, and since which night they were all made.",
    columns=(
        _MODEL,
        _VERSION,
        _DIGEST,
        Column("since", STRING, "the night that last made the vectors of everybody"),
        Column("users", INT64, "users that have a vector", rules=(Between(0),)),
        Column("items", INT64, "items that have a vector", rules=(Between(0),)),
        Column("made", INT64, "vectors that this night made", rules=(Between(0),)),
        Column("gap", FLOAT64, "how far vectors that were kept lay from those made anew, at most", nullable=True),
    ),
    key=("model",),
)

ARRIVALS = Dataset(
    name="embeddings/arrivals",
    doc="Vectors of the items that came or changed since the last night, by the version that the live index is of.",
    columns=(
        _VERSION,
        _DIGEST,
        Column("item_id", STRING, "the item"),
        Column("vector", VECTOR, "the vector; its last place is a bias"),
    ),
    key=("item_id",),
)

EMBEDDED = (EMBEDDINGS, EMBEDDING_RUNS, ARRIVALS)


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


def matrix_of(vectors: pa.ChunkedArray, whose: str) -> npt.NDArray[np.float32]:
    """Vectors as the rows of one array; an error where they are not of one length."""
    import numpy as np

    flat = vectors.combine_chunks()
    lengths = pc.unique(pc.list_value_length(flat)).to_pylist()
    if len(lengths) > 1 or None in lengths:
        raise ModelError(
            f"{whose}: the vectors have different lengths ({', '.join(map(str, lengths))}), so they are of different"
            " models; run training.embeddings with full=true for that night"
        )
    width = lengths[0] if lengths else 0
    values: Any = flat.flatten().to_numpy(zero_copy_only=False)
    return np.ascontiguousarray(values.reshape(len(flat), width), np.float32)


def listed(vectors: npt.NDArray[np.float32]) -> pa.ListArray:
    """The rows of an array as a column of vectors."""
    import numpy as np

    offsets = np.arange(len(vectors) + 1, dtype=np.int32) * vectors.shape[1]
    return pa.ListArray.from_arrays(pa.array(offsets), pa.array(vectors.reshape(-1), pa.float32()))


def directions(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Vectors without their bias and of length 1: what tells how alike two are, and not how much they are wanted."""
    import numpy as np

    plain = vectors[:, :-1]
    lengths = np.linalg.norm(plain, axis=1, keepdims=True)
    return np.asarray(plain / np.maximum(lengths, 1e-9), np.float32)
