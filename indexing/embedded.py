"""Ids with their vectors: as a night's tables tell them, and as a file of a release that is mapped and never copied."""

from __future__ import annotations

import bisect
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from daybreak.datasets import ITEMS, USERS
from daybreak.embeddings import EMBEDDINGS
from daybreak.errors import InputError, ReleaseError
from daybreak.item_states import may_be_shown
from daybreak.learning import ITEM, USER
from daybreak.step_io import StepIO
from daybreak.vectors import matrix_of
from indexing.arrays import NOWHERE, Floats, Ints
from indexing.shards import shard_of

ID, VECTOR, MODEL = "id", "vector", b"model"
MADE_ANEW = "run training.embeddings with full=true for that night"


@dataclass(frozen=True)
class Embedded:
    """Ids in rows, ordered by shard and then by id; those of shard s stand at starts[s] to starts[s + 1]."""

    ids: pa.Array
    vectors: Floats
    starts: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def shards(self) -> int:
        return len(self.starts) - 1

    def row(self, id_: str) -> int:
        """The row of an id; NOWHERE where it has none."""
        shard = int(shard_of(pa.array([id_]), self.shards)[0])
        low, high = self.starts[shard], self.starts[shard + 1]
        place = bisect.bisect_left(self.ids, id_, low, high, key=lambda each: each.as_py())
        return place if place < high and self.ids[place].as_py() == id_ else NOWHERE

    def rows(self, ids: pa.Array) -> Ints:
        """The rows of many ids."""
        found = pc.fill_null(pc.index_in(ids.cast(self.ids.type), value_set=self.ids), NOWHERE)
        return np.asarray(found.to_numpy(zero_copy_only=False), np.int64)

    def names(self, rows: Ints) -> list[str]:
        return list(self.ids.take(pa.array(rows)).to_pylist())

    def shard(self, number: int) -> slice:
        """The rows of a shard."""
        return slice(self.starts[number], self.starts[number + 1])

    @cached_property
    def width(self) -> int:
        return int(self.vectors.shape[1])

    @classmethod
    def of(cls, ids: pa.Array, vectors: Floats, shards: int, whose: str, way_out: str) -> Embedded:
        """The ids in their shards. Raises for what cannot be indexed, and says the way out."""
        _refuse_unfit(ids, vectors, whose, way_out)
        of = shard_of(ids, shards)
        places = pc.sort_indices(pa.table({"shard": of, "id": ids}), [("shard", "ascending"), ("id", "ascending")])
        order = places.to_numpy()
        starts = np.searchsorted(of[order], np.arange(shards + 1))
        if (empty := np.flatnonzero(np.diff(starts) == 0)).size:
            raise InputError(
                f"{whose}: shard {empty[0]} of {shards} would hold none of the {len(ids):,} ids; choose fewer shards"
                " (DAYBREAK_INDEX_SHARDS)"
            )
        return cls(ids.take(places), np.ascontiguousarray(vectors[order]), tuple(starts.tolist()))


def night_embedded(io: StepIO, told: pa.Table, entity: str, shards: int) -> Embedded:
    """Those of a night's vectors that are of the items that may be shown, or of the users that are active."""
    rows = told.filter(pc.equal(told["entity"], entity))
    rows = rows.filter(_may_be_listed(io, entity, rows["entity_id"]))
    if not rows.num_rows:
        raise InputError(f"{EMBEDDINGS.name} has no vector of {entity}s that may be listed on {io.ds}; {MADE_ANEW}")
    vectors = matrix_of(rows["vector"], EMBEDDINGS.name, MADE_ANEW)
    return Embedded.of(rows["entity_id"].combine_chunks(), vectors, shards, f"{entity}s of {io.ds}", MADE_ANEW)


def as_told(told: pa.Table, entity: str, names: list[str]) -> Floats:
    """What a night's vectors say of some ids, which are of an entity; NaN where they say nothing."""
    mine = told.filter(pc.and_(pc.equal(told["entity"], entity), pc.is_in(told["entity_id"], pa.array(names))))
    vectors = matrix_of(mine["vector"], EMBEDDINGS.name, MADE_ANEW)
    places = {name: place for place, name in enumerate(mine["entity_id"].to_pylist())}
    missing = np.full(vectors.shape[1], np.nan, np.float32)
    return np.stack([vectors[places[name]] if name in places else missing for name in names])


def _may_be_listed(io: StepIO, entity: str, ids: pa.ChunkedArray) -> pa.ChunkedArray:
    """Of items those that the catalogue shows, all where there is none; of users all but those who are gone."""
    states = io.state(ITEMS if entity == ITEM else USERS)
    if entity == USER:
        gone = states.filter(pc.not_equal(states["status"], "active"))["user_id"]
        return pc.invert(pc.is_in(ids, value_set=gone))
    if not states.num_rows:
        return pc.is_valid(ids)
    return pc.is_in(ids, value_set=states.filter(may_be_shown(states, io.ds))["item_id"])


def write_embedded(path: Path, embedded: Embedded, model: str) -> None:
    """A file that can be mapped: ids and vectors, and the digest of the model that made them."""
    flat = pa.array(np.ascontiguousarray(embedded.vectors).reshape(-1), pa.float32())
    vectors = pa.FixedSizeListArray.from_arrays(flat, embedded.width)
    schema = pa.schema(
        [pa.field(ID, pa.string()), pa.field(VECTOR, vectors.type)],
        metadata={MODEL: model.encode(), b"starts": " ".join(map(str, embedded.starts)).encode()},
    )
    batch = pa.record_batch([embedded.ids, vectors], schema=schema)
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, schema) as writer:
        writer.write_batch(batch)


def read_embedded(path: Path, model: str) -> Embedded:
    """The ids and vectors of a file, read where they are touched. An error where another model made them."""
    try:
        table = pa.ipc.open_file(pa.memory_map(str(path))).read_all()
        metadata = table.schema.metadata
        starts = tuple(map(int, metadata[b"starts"].split()))
    except (OSError, pa.ArrowInvalid, KeyError, TypeError) as error:
        raise ReleaseError(f"file {path.name} cannot be read ({error}); roll back, or build the index again") from None
    if metadata[MODEL].decode() != model:
        raise ReleaseError(
            f"file {path.name} holds vectors of the model {metadata[MODEL].decode()[:12]}, where those of {model[:12]}"
            " were expected: parts of two models are never opened together; build the index again"
        )
    ids, vectors = (table[name].chunk(0) for name in (ID, VECTOR))
    width = vectors.type.list_size
    values = vectors.flatten().to_numpy(zero_copy_only=True).reshape(len(ids), width)
    return Embedded(ids, values, starts)


def _refuse_unfit(ids: pa.Array, vectors: Floats, whose: str, way_out: str) -> None:
    """Says what keeps vectors from being indexed."""
    if len(vectors) != len(ids):
        raise InputError(f"{whose}: expected a vector for each of {len(ids):,} ids, found {len(vectors):,}; {way_out}")
    if vectors.shape[1] < 2:
        raise InputError(
            f"{whose}: the vectors have {vectors.shape[1]} places, and a bias alone leads nowhere; {way_out}"
        )
    counts = pc.value_counts(ids)
    if len(counts) < len(ids):
        twice = counts.filter(pc.greater(counts.field("counts"), 1)).field("values")
        raise InputError(f"{whose}: {len(twice):,} ids stand more than once, the first {twice[0]}; {way_out}")
    for what, bad in (
        ("NaN or infinity in", ~np.isfinite(vectors).all(axis=1)),
        ("nothing but zeros, besides the bias, in", ~vectors[:, :-1].any(axis=1)),
    ):
        rows = np.flatnonzero(bad)
        if len(rows):
            raise InputError(
                f"{whose}: found {what} {len(rows):,} vectors, the first that of {ids[int(rows[0])]}; {way_out}"
            )
