"""A fingerprint of what each vector is made from, by which a night tells whose vector it need not make again."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from daybreak.features.encoder import Encoded
from training.data.ids import Ints

SEED = 20_261_122
"""Of the multipliers; fingerprints of other multipliers could not be compared with those that are kept."""
HALF = np.uint64(32)
UPPER = np.uint64(0xFFFF_FFFF_0000_0000)


def fingerprints(encoded: Encoded, memory: npt.NDArray[np.float32], ignored: float = 0.0) -> Ints:
    """A number for each row: equal for equal inputs, and for others but once in about 2^64 pairs. Of inputs whose
    numbers differ by less than `ignored` most are equal too; at 0 every bit counts."""
    columns = [
        _bits(encoded.numbers, ignored),
        encoded.words.astype(np.uint64),
        _bits(encoded.vectors, ignored),
        _bits(memory, ignored),
    ]
    upper, lower = (_mixed(columns, seed) for seed in (SEED, SEED + 1))
    return ((upper & UPPER) | (lower >> HALF)).view(np.int64)


def _bits(numbers: npt.NDArray[np.float32], ignored: float) -> npt.NDArray[np.uint64]:
    if ignored:
        return np.round(numbers / np.float32(ignored)).astype(np.int64).view(np.uint64)
    plain = np.ascontiguousarray(numbers) + np.float32(0)  # one zero of the two
    return plain.view(np.uint32).astype(np.uint64)


def _mixed(columns: Sequence[npt.NDArray[np.uint64]], seed: int) -> npt.NDArray[np.uint64]:
    """Each row's numbers times odd multipliers, summed up modulo 2^64; the upper half of that is as good as chance."""
    draw = np.random.default_rng(seed)
    total = np.zeros(len(columns[0]), np.uint64)
    for column in columns:
        odd = draw.integers(0, 2**64, column.shape[1], dtype=np.uint64) | np.uint64(1)
        total += (column * odd).sum(axis=1, dtype=np.uint64)
    return total
