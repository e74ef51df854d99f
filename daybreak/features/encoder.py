"""Features as numbers: what a model is given of a row, learned from training rows only and kept as a JSON document.

Numbers and booleans become signed logarithms, standardised and clipped; where a number is not known it becomes the
mean, and a flag says so. Columns that were unknown in the very same rows, as those of one view are, share one flag.
Words become places in a small vocabulary: 0 is not known, 1 is a word that was not among the most frequent. Vectors
pass as they are, zeros where not known. Moments, lists of names and vectors that are nowhere known are left out: ages
exist as features of the request, and histories are read elsewhere. The same encoder stands before the model in training
and when it serves; so it needs no more than numpy and Arrow.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from daybreak.contracts import DS
from daybreak.errors import InputError

Rows: TypeAlias = pa.RecordBatch | pa.Table
NUMBER, WORD, VECTOR, SKIPPED = "a number", "a word", "a vector of numbers", "no feature"
UNKNOWN, UNSEEN = 0, 1
FIRST_WORD = 2
VERSION = 1


@dataclass(frozen=True)
class Encoded:
    """Rows as a model takes them: numbers with flags, places of words, vectors side by side."""

    numbers: NDArray[np.float32]
    words: NDArray[np.int64]
    vectors: NDArray[np.float32]

    def of_rows(self, rows: NDArray[np.int64]) -> Encoded:
        """Some rows, in the order given."""
        return Encoded(self.numbers[rows], self.words[rows], self.vectors[rows])


@dataclass(frozen=True)
class FeatureEncoder:
    """How each feature becomes numbers. `flags` names the columns that share each flag."""

    means: Mapping[str, float]
    scales: Mapping[str, float]
    flags: tuple[tuple[str, ...], ...]
    vocabularies: Mapping[str, tuple[str, ...]]
    vectors: Mapping[str, int]
    clip: float

    @classmethod
    def fit(
        cls,
        batches: Iterable[Rows],
        columns: Sequence[str],
        *,
        max_words: int = 50,
        most_of: Mapping[str, int] | None = None,
        clip: float = 5.0,
    ) -> FeatureEncoder:
        """Learns from these rows, seen once; of `columns`, moments and lists of names are left out. `most_of` names
        columns of words that have a limit of their own."""
        learning: _Learning | None = None
        for rows in batches:
            if learning is None:
                learning = _Learning(_kinds(rows.schema, columns))
            learning.see(rows)
        if learning is None or not learning.rows:
            raise InputError("an encoder is fitted on training rows, found none; make training rows of an earlier day")
        return learning.learned({name: (most_of or {}).get(name, max_words) for name in columns}, clip)

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that rows must have."""
        return (*self.means, *self.vocabularies, *self.vectors)

    @property
    def number_names(self) -> tuple[str, ...]:
        """What each place of `Encoded.numbers` holds."""
        return (*self.means, *(f"unknown:{columns[0] if columns else ''}" for columns in self.flags))

    @property
    def word_counts(self) -> tuple[int, ...]:
        """For each place of `Encoded.words`, how many different values there are."""
        return tuple(len(words) + FIRST_WORD for words in self.vocabularies.values())

    @property
    def vector_width(self) -> int:
        return sum(self.vectors.values())

    def encode(self, rows: Rows) -> Encoded:
        """The rows as arrays; they need have no more than the encoder's columns. A column of nothing but null may be of
        the type that says so."""
        self._check(rows.schema)
        numbers = np.zeros((rows.num_rows, len(self.number_names)), np.float32)
        nulls: dict[str, NDArray[np.bool_]] = {}
        for place, (name, mean) in enumerate(self.means.items()):
            values, nulls[name] = _logarithms(rows, name)
            scaled = np.clip((values - mean) / self.scales[name], -self.clip, self.clip)
            numbers[:, place] = np.where(nulls[name], 0.0, scaled)
        for place, columns in enumerate(self.flags, start=len(self.means)):
            if columns:
                numbers[:, place] = np.logical_and.reduce([nulls[name] for name in columns])
        words = np.zeros((rows.num_rows, len(self.vocabularies)), np.int64)
        for place, (name, vocabulary) in enumerate(self.vocabularies.items()):
            words[:, place] = _places(rows[name], vocabulary)
        vectors = [_vectors(rows, name, width) for name, width in self.vectors.items()]
        empty = np.zeros((rows.num_rows, 0), np.float32)
        return Encoded(numbers, words, np.hstack(vectors) if vectors else empty)

    def _check(self, schema: pa.Schema) -> None:
        """Says what keeps rows of this schema from being encoded."""
        fitted = dict.fromkeys(self.means, NUMBER)
        fitted |= dict.fromkeys(self.vocabularies, WORD) | dict.fromkeys(self.vectors, VECTOR)
        for name, kind in fitted.items():
            if schema.get_field_index(name) < 0:
                raise InputError(
                    f"feature {name}: the encoder was fitted on {kind}, found no such column; give it to the rows, or"
                    " fit the model anew without it"
                )
            found = schema.field(name).type
            if _kind(found) != kind and not pa.types.is_null(found):
                raise InputError(
                    f"feature {name}: the encoder was fitted on {kind}, found {found}; cast the column, or fit the"
                    " model anew on what it is now"
                )

    def without(self, words: Sequence[str]) -> FeatureEncoder:
        """The same without these columns of words."""
        kept = {name: known for name, known in self.vocabularies.items() if name not in words}
        return replace(self, vocabularies=kept)

    def to_json(self) -> dict[str, Any]:
        """Everything the encoder learned, as a document; numbers are exact."""
        return {
            "version": VERSION,
            "clip": self.clip,
            "numbers": [[name, self.means[name], self.scales[name]] for name in self.means],
            "flags": [list(columns) for columns in self.flags],
            "words": [[name, list(words)] for name, words in self.vocabularies.items()],
            "vectors": [[name, width] for name, width in self.vectors.items()],
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> FeatureEncoder:
        if document.get("version") != VERSION:
            raise InputError(
                f"an encoder's document of version {VERSION} was expected, found version {document.get('version')};"
                " fit the model anew, or serve it by the release that wrote it"
            )
        return cls(
            means={name: mean for name, mean, _ in document["numbers"]},
            scales={name: scale for name, _, scale in document["numbers"]},
            flags=tuple(tuple(columns) for columns in document["flags"]),
            vocabularies={name: tuple(words) for name, words in document["words"]},
            vectors=dict(document["vectors"]),
            clip=document["clip"],
        )


class _Learning:
    """What has been seen of the training rows so far."""

    def __init__(self, kinds: Mapping[str, str]) -> None:
        self.rows = 0
        self._numbers = {name: _Moments() for name, kind in kinds.items() if kind == NUMBER}
        self._nulls = {name: hashlib.blake2b(digest_size=16) for name in self._numbers}
        self._with_nulls: set[str] = set()
        self._words: dict[str, Counter[str]] = {name: Counter() for name, kind in kinds.items() if kind == WORD}
        self._widths = {name: 0 for name, kind in kinds.items() if kind == VECTOR}

    def see(self, rows: Rows) -> None:
        self.rows += rows.num_rows
        for name, moments in self._numbers.items():
            values, nulls = _logarithms(rows, name)
            moments.add(values[~nulls])
            self._nulls[name].update(np.packbits(nulls).tobytes())
            if nulls.any():
                self._with_nulls.add(name)
        for name, counts in self._words.items():
            for entry in pc.value_counts(_decoded(rows[name]).drop_null()).to_pylist():
                counts[entry["values"]] += entry["counts"]
        for name, width in self._widths.items():
            widths = pc.unique(pc.list_value_length(rows[name])).drop_null().to_pylist()
            for found in widths:
                self._widths[name] = _same_width(name, found, width or found)
                width = self._widths[name]

    def learned(self, most: Mapping[str, int], clip: float) -> FeatureEncoder:
        together: dict[bytes, list[str]] = {}
        for name, digest in self._nulls.items():
            if name in self._with_nulls:
                together.setdefault(digest.digest(), []).append(name)
        return FeatureEncoder(
            means={name: moments.mean for name, moments in self._numbers.items()},
            scales={name: moments.deviation or 1.0 for name, moments in self._numbers.items()},
            flags=tuple(map(tuple, together.values())),
            vocabularies={name: _most_frequent(counts, most[name]) for name, counts in self._words.items()},
            vectors={name: width for name, width in self._widths.items() if width},
            clip=clip,
        )


class _Moments:
    """Mean and spread of values that come in parts, without loss where they lie far from 0."""

    def __init__(self) -> None:
        self.count, self.mean, self._squares = 0, 0.0, 0.0

    def add(self, values: NDArray[np.float64]) -> None:
        if not values.size:
            return
        mean = float(values.mean())
        away, total = mean - self.mean, self.count + values.size
        self._squares += float(np.square(values - mean).sum()) + away * away * self.count * values.size / total
        self.mean += away * values.size / total
        self.count = total

    @property
    def deviation(self) -> float:
        spread = (self._squares / self.count) ** 0.5 if self.count else 0.0
        return spread if spread > 1e-9 else 0.0


def _kinds(schema: pa.Schema, columns: Sequence[str]) -> dict[str, str]:
    if missing := [name for name in columns if schema.get_field_index(name) < 0]:
        raise InputError(
            f"training rows should hold the features {', '.join(missing)}, found no such columns; make the rows again,"
            " or leave those features out"
        )
    kinds = {name: _kind(schema.field(name).type) for name in columns}
    return {name: kind for name, kind in kinds.items() if kind != SKIPPED}


def _kind(type_: pa.DataType) -> str:
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    if pa.types.is_integer(type_) or pa.types.is_floating(type_) or pa.types.is_boolean(type_):
        return NUMBER
    if pa.types.is_string(type_) or pa.types.is_large_string(type_):
        return WORD
    is_list = pa.types.is_list(type_) or pa.types.is_large_list(type_) or pa.types.is_fixed_size_list(type_)
    return VECTOR if is_list and pa.types.is_floating(type_.value_type) else SKIPPED


def _logarithms(rows: Rows, name: str) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The signed logarithms of a column, with 0 where it is null, and where it is null."""
    column = rows[name]
    values = pc.fill_null(column.cast(pa.float64()), 0.0).to_numpy(zero_copy_only=False)
    _refuse(rows, name, ~np.isfinite(values))
    if not column.null_count:
        return np.sign(values) * np.log1p(np.abs(values)), np.zeros(len(values), np.bool_)
    nulls = pc.is_null(column).to_numpy(zero_copy_only=False)
    return np.sign(values) * np.log1p(np.abs(values)), nulls


def _refuse(rows: Rows, name: str, bad: NDArray[np.bool_]) -> None:
    """Says which rows hold what is no number, if any do."""
    if not bad.any():
        return
    first = int(np.flatnonzero(bad)[0])
    has_ids = rows.schema.get_field_index("row_id") >= 0
    where = f"row_id {rows['row_id'][first].as_py()}" if has_ids else f"row {first}"
    if rows.schema.get_field_index(DS) >= 0:
        where += f" of {rows[DS][first].as_py()}"
    raise InputError(
        f"feature {name}: expected finite numbers or null, found NaN or infinity in {int(bad.sum()):,} rows, the first"
        f" is {where}; mend the job that makes it so that it writes null, and make the rows again"
    )


def _decoded(column: pa.Array | pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
    return column.cast(column.type.value_type) if pa.types.is_dictionary(column.type) else column


def _most_frequent(counts: Counter[str], most: int) -> tuple[str, ...]:
    return tuple(word for word, _ in sorted(counts.items(), key=lambda entry: (-entry[1], entry[0]))[:most])


def _places(column: pa.Array | pa.ChunkedArray, vocabulary: Sequence[str]) -> NDArray[np.int64]:
    if pa.types.is_null(column.type):
        return np.full(len(column), UNKNOWN, np.int64)
    words = _decoded(column)
    known = pc.index_in(words, value_set=pa.array(vocabulary, words.type), skip_nulls=True)
    places = pc.fill_null(pc.add(known, FIRST_WORD), UNSEEN)
    return pc.if_else(pc.is_null(words), UNKNOWN, places).to_numpy(zero_copy_only=False).astype(np.int64)


def _vectors(rows: Rows, name: str, width: int) -> NDArray[np.float32]:
    column = rows[name]
    if isinstance(column, pa.ChunkedArray):
        column = column.combine_chunks()
    if pa.types.is_null(column.type):
        return np.zeros((len(column), width), np.float32)
    for found in pc.unique(pc.list_value_length(column)).drop_null().to_pylist():
        _same_width(name, found, width)
    vectors = np.zeros((len(column), width), np.float32)
    values = pc.list_flatten(column).cast(pa.float32()).to_numpy(zero_copy_only=False)
    vectors[pc.is_valid(column).to_numpy(zero_copy_only=False)] = values.reshape(-1, width)
    _refuse(rows, name, np.logical_or.reduce(~np.isfinite(vectors), axis=1))
    return vectors


def _same_width(name: str, found: int, expected: int) -> int:
    if found != expected:
        raise InputError(
            f"feature {name}: the encoder was fitted on vectors of {expected} numbers, found one of {found}; make all"
            " vectors in one space, and fit the model anew on it"
        )
    return found
