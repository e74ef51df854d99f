"""Shards: which ids lie in which, and one answer out of those of all.

A shard is told by a hash of the id alone, so an id stays where it is whatever else comes or goes.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa
import xxhash

from indexing.arrays import Floats, Ints
from indexing.scoring import (
    in_order,
)


def shard_of(ids: pa.Array, shards: int) -> Ints:
    """The shard of each id, from 0."""
    if shards == 1:
        return np.zeros(len(ids), np.int64)
    hashes = (xxhash.xxh3_64_intdigest(each.encode()) for each in ids.to_pylist())
    return (np.fromiter(hashes, np.uint64, len(ids)) % np.uint64(shards)).astype(np.int64)


def merged(parts: Sequence[tuple[Ints, Floats]], k: int, ranks: Ints) -> tuple[Ints, Floats]:
    """The k best of what parts found, each its best k: the same as one search over all would find, where equals come by
    their rank."""
    rows, scores = (np.concatenate([part[side] for part in parts], axis=1) for side in (0, 1))
    return in_order(rows, scores, k, ranks)
