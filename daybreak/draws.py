"""Randomness as a function: the n-th draw of a named stream, without state.

SplitMix64 in counter mode. A stream is a 64-bit number hashed from its name (seed, purpose, day ...), and draw n mixes
`stream + n * golden ratio`. Being plain integer arithmetic modulo 2^64, it gives the same bits on every machine and in
every numpy version, and a draw does not depend on which others were made. The counters that most draws are made for
are numbers of users, items and visits; the last two functions number them.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Words = npt.NDArray[np.uint64]
Flags = npt.NDArray[np.bool_]

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_1, MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
SHIFT_1, SHIFT_2, SHIFT_3 = np.uint64(30), np.uint64(27), np.uint64(31)
HALF = np.uint64(32)
SQRT_3 = 1.7320508075688772


def stream(*name: str | int) -> int:
    """The stream of that name; every part of the name counts, and so does their order."""
    text = "\x1f".join(str(part) for part in name).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def words(of: int, counters: Ints | Words) -> Words:
    """64 random bits for each counter of stream `of`."""
    mixed = counters.astype(np.uint64) * GOLDEN
    mixed += np.uint64(of)
    mixed ^= mixed >> SHIFT_1
    mixed *= MIX_1
    mixed ^= mixed >> SHIFT_2
    mixed *= MIX_2
    mixed ^= mixed >> SHIFT_3
    return mixed


def uniform(of: int, counters: Ints | Words) -> Floats:
    """A number in [0, 1) for each counter."""
    return (words(of, counters) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def part(bits: Words, index: int) -> Floats:
    """A number in [0, 1) made from the `index`-th 16 bits (0 to 3) of each word."""
    return ((bits >> np.uint64(16 * index)) & np.uint64(0xFFFF)).astype(np.float64) * 2.0**-16


def below(bits: Words, limit: int | Ints) -> Ints:
    """An integer in [0, limit) from the upper half of each word; `limit` is at most 2^31."""
    scaled: Words = (bits >> HALF) * np.asarray(limit, dtype=np.int64).astype(np.uint64)
    return (scaled >> HALF).astype(np.int64)


def pick(of: int, counters: Ints | Words, limit: int | Ints) -> Ints:
    """An integer in [0, limit) for each counter."""
    return below(words(of, counters), limit)


def bell(of: int, counters: Ints | Words) -> Floats:
    """A bell-shaped number of mean 0 and deviation 1 within +-3.5, as a sum of four uniform ones."""
    bits = words(of, counters)
    return (part(bits, 0) + part(bits, 1) + part(bits, 2) + part(bits, 3) - 2.0) * SQRT_3


def chunks(count: int, size: int) -> Iterator[Ints]:
    """The numbers from 0 to count, `size` at a time."""
    for first in range(0, count, size):
        yield np.arange(first, min(first + size, count), dtype=np.int64)


def numbered(count: Ints) -> tuple[Ints, Ints]:
    """For `count[k]` things of each k, one after another: the k of each thing, and which of its k's it is, from 0."""
    owner = np.repeat(np.arange(count.size), count)
    before = np.cumsum(count) - count
    return owner, np.arange(owner.size) - before[owner]
