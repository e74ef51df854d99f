"""For each item, the items that are described alike, in `candidates/content`.

Takes the text vectors that `features/item_text` tells as of the night and writes, beside each item that may be shown,
up to `neighbours` other such items of the highest cosine, as far as it is at least `least`. All pairs are looked at,
exactly, in blocks. So an item that came today and that nobody has met has neighbours all the same.

Vectors of two spaces cannot be compared: only those of the space that most shown items have count, and the summary says
how many items have one of another space, and how many none. Where no shown item has a vector the table of the night is
empty. A second run of a night replaces it with the same rows.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from daybreak.candidates import CONTENT
from daybreak.contracts import DS
from daybreak.datasets import ITEMS
from daybreak.features.as_of import EVENT_TS
from daybreak.features.described import ITEM_TEXT
from daybreak.item_states import may_be_shown
from daybreak.step_io import StepIO
from daybreak.steps import Summary
from daybreak.vectors import matrix_of
from indexing.likeness import LikenessConfig, OneSpace, write_alike

SPACE, VECTOR = "text_space", "text_vector"
MADE_ANEW = "run jobs.item_text for that night again"


class ContentConfig(LikenessConfig):
    """How many neighbours are kept, how alike their texts must be, and how many items are asked for at once."""


def run(config: ContentConfig, io: StepIO) -> Summary:
    """Finds the neighbours of all items that may be shown."""
    found = described(_shown(io), io.read(ITEM_TEXT.dataset, columns=["item_id", EVENT_TS, DS, SPACE, VECTOR]))
    return write_alike(found, CONTENT, config, io)


def _shown(io: StepIO) -> pa.Array:
    states = io.state(ITEMS)
    return pc.unique(states.filter(may_be_shown(states, io.ds))["item_id"])


def described(shown: pa.Array, rows: pa.Table) -> OneSpace:
    """What the newest row of each shown item tells, in the space that most of them have; of as many, the first name."""
    newest = _newest(rows.filter(pc.is_in(rows["item_id"], value_set=shown)))
    told = newest.filter(_points_somewhere(newest[VECTOR]))
    counts = pc.value_counts(told[SPACE]).to_pylist()
    space = min(counts, key=lambda each: (-each["counts"], each["values"] or ""), default={"values": None})["values"]
    mine = told.filter(pc.equal(told[SPACE], space) if space is not None else pc.is_null(told[SPACE]))
    vectors = matrix_of(mine[VECTOR], ITEM_TEXT.dataset.name, MADE_ANEW).astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    ids = mine["item_id"].combine_chunks()
    left_out = len(shown) - told.num_rows, told.num_rows - mine.num_rows
    return OneSpace(space, ids, vectors.astype(np.float32), *left_out)


def _newest(rows: pa.Table) -> pa.Table:
    """The row of each item that tells of the latest moment, of equals the one that a later night wrote; by id."""
    rows = rows.sort_by([("item_id", "ascending"), (EVENT_TS, "descending"), (DS, "descending")])
    _, firsts = np.unique(rows["item_id"].combine_chunks().dictionary_encode().indices, return_index=True)
    return rows.take(pa.array(firsts))


def _points_somewhere(vectors: pa.ChunkedArray) -> pa.Array:
    """Whether a vector is there and has some number other than 0: only then it has a cosine."""
    flat = vectors.combine_chunks()
    some = np.zeros(len(flat), np.bool_)
    some[pc.list_parent_indices(flat).filter(pc.not_equal(pc.list_flatten(flat), 0)).to_numpy()] = True
    return pa.array(some)
