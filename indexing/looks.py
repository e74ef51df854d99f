"""For each item, the items that look alike, in `candidates/looks`.

Takes the image vectors that items tell of themselves as of the night (`image_vector` of `raw/items`) and writes, beside
each item that may be shown, up to `neighbours` other such items of the highest cosine, as `indexing.content` does by
texts. Where no shown item has an image vector the table of the night is empty.

Vectors of two lengths are of two models and cannot be compared: only those of the length that most shown items have
count, and the summary says how many items have another, and how many none. A second run of a night replaces the table
with the same rows.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from daybreak.candidates import LOOKS
from daybreak.datasets import ITEMS
from daybreak.item_states import may_be_shown
from daybreak.step_io import StepIO
from daybreak.steps import Summary
from indexing.likeness import LikenessConfig, OneSpace, write_alike


class LooksConfig(LikenessConfig):
    """How many neighbours are kept, how alike they must look, and how many items are asked for at once."""


def run(config: LooksConfig, io: StepIO) -> Summary:
    """Finds the neighbours of all items that may be shown."""
    states = io.state(ITEMS, ["status", "launched_ts", "retired_ts", "image_vector"])
    return write_alike(pictured(states.filter(may_be_shown(states, io.ds))), LOOKS, config, io)


def pictured(shown: pa.Table) -> OneSpace:
    """The image vectors of the length that most of these items have; of as many items, the shortest."""
    shown = shown.sort_by("item_id")
    bare = pc.replace_substring_regex(shown["image_vector"].combine_chunks(), r"[\[\],]", " ")
    numbers = pc.utf8_split_whitespace(pc.utf8_trim_whitespace(bare))
    counts = pc.value_counts(pc.list_value_length(numbers).drop_null()).to_pylist()
    length = min(counts, key=lambda each: (-each["counts"], each["values"]), default={"values": 0})["values"]
    told = pc.fill_null(pc.equal(pc.list_value_length(numbers), length), False)
    flat = pc.list_flatten(numbers.filter(told)).cast(pa.float64()).to_numpy(zero_copy_only=False)
    vectors = flat.reshape(-1, max(length, 1))
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    somewhere = np.isfinite(norms[:, 0]) & (norms[:, 0] > 0)
    ids = shown["item_id"].combine_chunks().filter(told).filter(pa.array(somewhere))
    of_others = len(numbers) - numbers.null_count - len(vectors)
    return OneSpace(
        f"{length} numbers" if len(ids) else None,
        ids,
        (vectors[somewhere] / norms[somewhere]).astype(np.float32),
        numbers.null_count + int((~somewhere).sum()),
        of_others,
    )
