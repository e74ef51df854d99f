"""A hash of rows that does not depend on their order or on how they lie in files.

Each value is hashed with its column's name, each row's hashes are mixed into one 64-bit word, and the words are
combined by sum and by exclusive or, twice with different seeds. Two tables with the same rows, however often each,
have the same digest; a changed, lost or doubled row changes it.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import xxhash

Words = npt.NDArray[np.uint64]
SEEDS = (0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F)


def rows_digest(rows: pa.Table) -> str:
    """The digest of all rows of a table, as hexadecimal text that begins with their number."""
    return digest_of([rows])


def digest_of(parts: Iterable[pa.Table]) -> str:
    """The same of rows that come in parts, however they are cut."""
    count, sums, mixed = 0, np.zeros(len(SEEDS), np.uint64), np.zeros(len(SEEDS), np.uint64)
    for rows in parts:
        count += rows.num_rows
        for lane, seed in enumerate(SEEDS):
            words = _row_words(rows, seed)
            sums[lane : lane + 1] += words.sum(dtype=np.uint64)  # arrays go round at the end, single numbers complain
            mixed[lane] ^= np.bitwise_xor.reduce(words, initial=np.uint64(0))
    return "-".join([f"{count:x}", *(f"{int(a):016x}{int(b):016x}" for a, b in zip(sums, mixed, strict=True))])


def _row_words(rows: pa.Table, seed: int) -> Words:
    words = np.full(rows.num_rows, np.uint64(seed), dtype=np.uint64)
    for name in sorted(rows.column_names):
        salt = np.uint64(xxhash.xxh64_intdigest(name.encode(), seed=seed & 0xFFFF))
        words = _mixed(words * np.uint64(31) ^ _mixed(_value_words(rows.column(name), seed) ^ salt))
    return words


def _value_words(column: pa.ChunkedArray, seed: int) -> Words:
    kind = column.type
    null = np.uint64(xxhash.xxh3_64_intdigest(b"null", seed=seed))
    nulls = pc.is_null(column).to_numpy(zero_copy_only=False)
    if pa.types.is_list(kind):
        words = _list_words(column.combine_chunks(), seed)
    elif pa.types.is_string(kind) or pa.types.is_large_string(kind):
        words = _string_words(column, seed)
    elif pa.types.is_floating(kind):
        values = pc.fill_null(column, 0.0).to_numpy(zero_copy_only=False).astype(np.float64) + 0.0
        words = values.view(np.uint64)
    else:
        if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
            column = column.cast(pa.int32() if pa.types.is_date32(kind) else pa.int64())
        values = pc.fill_null(column.cast(pa.int64()), 0).to_numpy(zero_copy_only=False)
        words = values.astype(np.int64).view(np.uint64)
    return np.where(nulls, null, words)


def _list_words(column: pa.ListArray, seed: int) -> Words:
    """Each list by its values in their order, and by how many they are."""
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False).astype(np.int64)
    values = _value_words(pa.chunked_array([column.flatten()]), seed)
    starts = np.cumsum(lengths) - lengths
    places = np.arange(len(values)) - np.repeat(starts, lengths)
    mixed = _mixed(values + _mixed(places.astype(np.uint64)))
    totals = np.concatenate([np.zeros(1, np.uint64), np.cumsum(mixed, dtype=np.uint64)])
    return _mixed(totals[starts + lengths] - totals[starts] + lengths.astype(np.uint64))


def _string_words(column: pa.ChunkedArray, seed: int) -> Words:
    """Each distinct string is hashed once."""
    encoded = pc.fill_null(column, "").combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    distinct = np.fromiter(
        (xxhash.xxh3_64_intdigest(text, seed=seed) for text in encoded.dictionary.cast(pa.binary()).to_pylist()),
        dtype=np.uint64,
        count=len(encoded.dictionary),
    )
    if not len(distinct):
        return np.zeros(len(column), dtype=np.uint64)
    return distinct[encoded.indices.to_numpy(zero_copy_only=False)]


def _mixed(words: Words) -> Words:
    """The finalizer of splitmix64."""
    words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return words ^ (words >> np.uint64(31))
