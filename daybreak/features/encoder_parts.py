"""Encoded features of rows that come together later: what is known of users, of items and of pairs, each encoded once.

A night ranks many items for each user. Encoding every pair whole would encode each user and each item many times over;
parts are encoded once and joined by taking rows. What comes out is the same, to the bit.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from daybreak.errors import InputError
from daybreak.features.encoder import Encoded, FeatureEncoder, Rows


@dataclass(frozen=True)
class EncodedPart:
    """Some of the columns of rows that come together later: what is known of users, of items, or of pairs, each once.

    The places say where its columns stand in whole rows. `unknown` tells of each flag that it has a say in whether all
    of its own columns of it are unknown.
    """

    numbers: NDArray[np.float32]
    number_places: NDArray[np.int64]
    unknown: NDArray[np.bool_]
    flag_places: NDArray[np.int64]
    words: NDArray[np.int64]
    word_places: NDArray[np.int64]
    vectors: NDArray[np.float32]
    vector_places: NDArray[np.int64]


def part_of(encoder: FeatureEncoder, rows: Rows) -> EncodedPart:
    """Those of the encoder's columns that these rows have, encoded once to be joined many times."""
    own = replace(
        encoder,
        means={name: mean for name, mean in encoder.means.items() if rows.schema.get_field_index(name) >= 0},
        flags=tuple(tuple(name for name in flag if rows.schema.get_field_index(name) >= 0) for flag in encoder.flags),
        vocabularies={n: words for n, words in encoder.vocabularies.items() if rows.schema.get_field_index(n) >= 0},
        vectors={name: width for name, width in encoder.vectors.items() if rows.schema.get_field_index(name) >= 0},
    )
    encoded, count = own.encode(rows), len(own.means)
    flags = np.flatnonzero([bool(flag) for flag in own.flags])
    ends = np.cumsum([0, *encoder.vectors.values()])
    spans = {name: range(ends[n], ends[n + 1]) for n, name in enumerate(encoder.vectors)}
    return EncodedPart(
        numbers=np.ascontiguousarray(encoded.numbers[:, :count]),
        number_places=_places_of(own.means, encoder.means),
        unknown=encoded.numbers[:, count:][:, flags] > 0,
        flag_places=flags,
        words=encoded.words,
        word_places=_places_of(own.vocabularies, encoder.vocabularies),
        vectors=encoded.vectors,
        vector_places=np.array([place for name in own.vectors for place in spans[name]], np.int64),
    )


def joined(encoder: FeatureEncoder, parts: Sequence[tuple[EncodedPart, NDArray[np.int64]]]) -> Encoded:
    """Whole rows: of each part the row that is named for each of them. The same as if they were encoded whole."""
    rows = len(parts[0][1])
    numbers = np.zeros((rows, len(encoder.number_names)), np.float32)
    words = np.zeros((rows, len(encoder.vocabularies)), np.int64)
    vectors = np.zeros((rows, encoder.vector_width), np.float32)
    unknown = np.ones((rows, len(encoder.flags)), np.bool_)
    for part, at in parts:
        numbers[:, part.number_places] = part.numbers[at]
        unknown[:, part.flag_places] &= part.unknown[at]
        words[:, part.word_places] = part.words[at]
        vectors[:, part.vector_places] = part.vectors[at]
    numbers[:, len(encoder.means) :] = unknown
    return Encoded(numbers, words, vectors)


def refuse_incomplete(encoder: FeatureEncoder, parts: Sequence[EncodedPart]) -> None:
    """Says which columns none of the parts have."""
    held = {
        "means": np.concatenate([part.number_places for part in parts]),
        "vocabularies": np.concatenate([part.word_places for part in parts]),
    }
    missing = [
        name
        for kind, places in held.items()
        for place, name in enumerate(getattr(encoder, kind))
        if place not in set(places.tolist())
    ]
    told = sum(len(part.vector_places) for part in parts)
    if told < encoder.vector_width:
        missing.append("/".join(encoder.vectors))
    if missing:
        raise InputError(
            f"the model was fitted on {', '.join(missing)}, which nothing tonight tells; make the features that it"
            " knows, or train it anew"
        )


def _places_of(own: Iterable[str], every: Iterable[str]) -> NDArray[np.int64]:
    places = {name: place for place, name in enumerate(every)}
    return np.array([places[name] for name in own], np.int64)
