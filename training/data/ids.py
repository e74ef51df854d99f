"""Rows for ids: a model's arrays have one row for each user or item, and an id keeps its row from night to night.

A night writes the ids that it met first, in order; the rows as of a night are those of all nights up to it, one after
another. So a night that is built again finds the same rows, and one that is slipped in later shifts only what came
after it. Whatever a model keeps, it keeps with its ids: rows are matched by id, never taken on trust.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from daybreak.contracts import DS
from daybreak.errors import ModelError
from daybreak.learning import ID_ROWS
from daybreak.step_io import StepIO

Ints = npt.NDArray[np.int64]
KNOWN_SHARE = 0.5
"""The share of a model's ids that a lake must know for the model to be of this world."""


class IdMap:
    """Ids by row."""

    def __init__(self, ids: pa.Array | pa.ChunkedArray | Sequence[str]) -> None:
        flat = ids.combine_chunks() if isinstance(ids, pa.ChunkedArray) else pa.array(ids, pa.string())
        self.ids: pa.Array = flat

    def __len__(self) -> int:
        return len(self.ids)

    def rows(self, ids: pa.Array | pa.ChunkedArray) -> Ints:
        """The row of each id; -1 where it has none."""
        found = pc.fill_null(pc.index_in(ids, value_set=self.ids), -1)
        return found.to_numpy(zero_copy_only=False).astype(np.int64) if len(found) else np.zeros(0, np.int64)

    def of(self, rows: Ints) -> pa.Array:
        return self.ids.take(pa.array(rows))

    @cached_property
    def digest(self) -> str:
        """The same for the same ids in the same rows."""
        digest = hashlib.sha256()
        for start in range(0, len(self.ids), 65_536):
            digest.update("\n".join(self.ids.slice(start, 65_536).to_pylist()).encode() + b"\n")
        return digest.hexdigest()[:16]

    def rows_of(self, other: IdMap, whose: str) -> Ints:
        """The rows here of all ids of another map, such as a model's; -1 where there is none. An error where the two
        have so little in common that they cannot be of one world."""
        rows = self.rows(other.ids)
        known = int((rows >= 0).sum())
        if known < KNOWN_SHARE * len(other):
            raise ModelError(
                f"{whose} knows {len(other):,} ids, of which only {known:,} are known here: it was trained on another"
                " world; set DAYBREAK_LAKE_URL to the lake that it was trained on, or remove its alias champion in"
                " MLflow, and the next night trains one on this lake"
            )
        return rows


def id_map(io: StepIO, entity: str) -> IdMap:
    """The rows of all users or items as of the night of the step."""
    met = io.read(ID_ROWS, columns=["entity", "number", "entity_id", DS])
    met = met.filter(pc.equal(met["entity"], entity)).sort_by([(DS, "ascending"), ("number", "ascending")])
    ids = met["entity_id"].combine_chunks()
    return IdMap(pc.unique(ids))


def first_met(known: pa.ChunkedArray, met: pa.Table) -> pa.Table:
    """Of ids that nights met (`entity_id`, `ds`), those not known yet, each on its first night and numbered there."""
    new = met.filter(pc.invert(pc.is_in(met["entity_id"], value_set=pc.unique(known))))
    first = new.group_by("entity_id", use_threads=False).aggregate([(DS, "min")]).rename_columns(["entity_id", DS])
    first = first.sort_by([(DS, "ascending"), ("entity_id", "ascending")])
    days = first[DS].combine_chunks().dictionary_encode().indices.to_numpy(zero_copy_only=False)
    starts = np.searchsorted(days, days)
    return first.append_column("number", pa.array(np.arange(len(days)) - starts, pa.int64()))
