"""Texts as vectors of length 1, on arrays: what Spark's workers run, batch by batch.

A basis gives each word it knows a weight and a direction. A text is the sum of its words' directions, each as often as
it says the word (damped by the logarithm) and as rare as the word is.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from daybreak.errors import SettingsError
from daybreak.targets import load

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Vectors = npt.NDArray[np.float32]
Encode = Callable[[Sequence[str]], Vectors]
Batches = Iterator[pa.RecordBatch]

WORD = re.compile(r"[^\W_]+")
DIGITS = 6
TEXT = "text"
VECTOR = "text_vector"
SPACE = "text_space"


def words_of(text: str) -> list[str]:
    """Its words: runs of letters and digits of any script, in lower case."""
    return WORD.findall(text.lower())


@dataclass(frozen=True, eq=False)
class Basis:
    """The words known since a night, in alphabetical order, with their weights and directions."""

    night: str
    terms: tuple[str, ...]
    idf: Floats
    directions: Vectors

    @cached_property
    def places(self) -> dict[str, int]:
        return {term: place for place, term in enumerate(self.terms)}

    @property
    def dimensions(self) -> int:
        return self.directions.shape[1]

    def encode(self, texts: Sequence[str]) -> Vectors:
        """One row per text; zeros where no word is known."""
        words, places, weights = weighted_words([words_of(text) for text in texts], self.places, self.idf)
        vectors = np.zeros((len(texts), self.dimensions))
        if places.size:
            starts = np.flatnonzero(np.diff(words, prepend=-1))
            vectors[words[starts]] = np.add.reduceat(self.directions[places] * weights[:, None], starts, axis=0)
        return unit_length(vectors)


def weighted_words(texts: Iterable[list[str]], places: dict[str, int], idf: Floats) -> tuple[Ints, Ints, Floats]:
    """For each text and known word in it: the text's number, the word's place and its weight there."""
    counts = [sorted((places[word], n) for word, n in Counter(words).items() if word in places) for words in texts]
    number = np.repeat(np.arange(len(counts)), [len(of_text) for of_text in counts])
    flat = np.fromiter(chain.from_iterable(chain.from_iterable(counts)), np.int64, 2 * number.size)
    return number, flat[::2], (1 + np.log(flat[1::2])) * idf[flat[::2]]


def unit_length(vectors: Floats) -> Vectors:
    """Rows of length 1, to so many digits that the order of adding does not show; zeros stay."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    scaled = np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 1e-9)
    return np.round(scaled, DIGITS).astype(np.float32)


@dataclass(frozen=True)
class PluggedIn:
    """A sentence model of someone's own: `target` names a function from texts to an array of one row per text."""

    target: str
    dimensions: int

    def encode(self, texts: Sequence[str]) -> Vectors:
        made, wanted = self._function(list(texts)), (len(texts), self.dimensions)
        try:
            found = np.asarray(made, dtype=np.float64)
        except (TypeError, ValueError) as error:
            raise self._refused(wanted, f"one that is no array of numbers ({error})") from None
        if found.shape != wanted:
            raise self._refused(wanted, f"one of shape {found.shape}")
        if not np.isfinite(found).all():
            raise self._refused(wanted, "one with NaN or infinity in it")
        return unit_length(found)

    def _refused(self, wanted: tuple[int, int], got: str) -> SettingsError:
        return SettingsError(
            f"encoder {self.target} must give an array of shape {wanted} for {wanted[0]} texts, got {got}; mend it, or"
            " set `dimensions` to what it gives"
        )

    @property
    def _function(self) -> Callable[[list[str]], Any]:
        try:
            function: Callable[[list[str]], Any] = load(self.target)
        except ImportError as error:
            raise SettingsError(
                f"encoder {self.target} cannot be loaded ({error}); install its package where Spark's workers run"
            ) from None
        return function


def with_vectors(encode: Encode) -> Callable[[Batches], Batches]:
    """Batches with each row's vector in the place of its text; null where it has none."""

    def encoded(batches: Batches) -> Batches:
        for batch in batches:
            vectors = encode(batch.column(TEXT).to_pylist())
            column = pa.ListArray.from_arrays(
                pa.array(np.arange(len(vectors) + 1) * vectors.shape[1], pa.int32()),
                pa.array(vectors.ravel()),
                mask=pa.array(~vectors.any(axis=1)),
            )
            yield batch.drop_columns([TEXT]).append_column(VECTOR, column)

    return encoded


def word_counts(places: dict[str, int]) -> Callable[[Batches], Batches]:
    """For each row, how many words its text has and how many of them are unknown."""

    def counted(batches: Batches) -> Batches:
        for batch in batches:
            texts = [words_of(text) for text in batch.column(TEXT).to_pylist()]
            unknown = [sum(word not in places for word in words) for words in texts]
            counted = batch.drop_columns([TEXT]).append_column("words", pa.array(map(len, texts), pa.int64()))
            yield counted.append_column("unknown", pa.array(unknown, pa.int64()))

    return counted
