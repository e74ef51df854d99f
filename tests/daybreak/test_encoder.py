"""Features as numbers: held against plain Python, and what is said of rows that do not fit."""

from __future__ import annotations

import json
import math
from collections import Counter
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daybreak.errors import InputError
from daybreak.features.encoder import FeatureEncoder
from daybreak.features.encoder_parts import joined, part_of, refuse_incomplete

COLUMNS = ("count", "rate", "sure", "word", "vector")
NUMBERS = ("count", "rate", "sure")
CLIP, MAX_WORDS, WIDTH = 3.0, 2, 2
MOMENT = datetime(2026, 11, 20, tzinfo=UTC)

row = st.fixed_dictionaries(
    {
        "count": st.none() | st.integers(-(10**6), 10**6),
        "rate": st.none() | st.floats(-1e6, 1e6, allow_subnormal=False),
        "sure": st.none() | st.booleans(),
        "word": st.none() | st.sampled_from("abcd"),
        "vector": st.none() | st.lists(st.floats(-1, 1, width=32), min_size=WIDTH, max_size=WIDTH),
    }
)
some_rows = st.lists(row, min_size=1, max_size=30)
SCHEMA = pa.schema(
    [
        ("count", pa.int64()),
        ("rate", pa.float64()),
        ("sure", pa.bool_()),
        ("word", pa.string()),
        ("vector", pa.list_(pa.float32())),
    ]
)


def table(rows: list[dict[str, Any]]) -> pa.Table:
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def fit(rows: pa.Table, columns: tuple[str, ...] = COLUMNS) -> FeatureEncoder:
    return FeatureEncoder.fit([rows], columns, max_words=MAX_WORDS, clip=CLIP)


def logarithm(value: float) -> float:
    return math.copysign(math.log1p(abs(value)), value)


def plain_numbers(fitted_on: list[dict[str, Any]], rows: list[dict[str, Any]]) -> list[list[float]]:
    """What the encoder should give, value by value."""
    columns = {}
    for name in NUMBERS:
        known = [logarithm(float(each[name])) for each in fitted_on if each[name] is not None]
        mean = math.fsum(known) / len(known) if known else 0.0
        spread = math.sqrt(math.fsum((value - mean) ** 2 for value in known) / len(known)) if known else 0.0
        columns[name] = [
            0.0
            if each[name] is None
            else min(CLIP, max(-CLIP, (logarithm(float(each[name])) - mean) / (spread if spread > 1e-9 else 1.0)))
            for each in rows
        ]
    return [list(values) for values in zip(*columns.values(), strict=True)]


@given(some_rows, some_rows)
def test_numbers_are_those_of_plain_python(fitted_on: list[dict[str, Any]], rows: list[dict[str, Any]]) -> None:
    encoder = fit(table(fitted_on))
    found = encoder.encode(table(rows)).numbers
    assert found.dtype == np.float32
    np.testing.assert_allclose(found[:, : len(NUMBERS)], plain_numbers(fitted_on, rows), atol=2e-4)


@given(some_rows, some_rows)
def test_words_and_vectors_are_those_of_plain_python(
    fitted_on: list[dict[str, Any]], rows: list[dict[str, Any]]
) -> None:
    counts = Counter(each["word"] for each in fitted_on if each["word"] is not None)
    vocabulary = sorted(counts, key=lambda word: (-counts[word], word))[:MAX_WORDS]
    encoded = fit(table(fitted_on)).encode(table(rows))
    words = [0 if each["word"] is None else 1 for each in rows]
    words = [
        vocabulary.index(e["word"]) + 2 if e["word"] in vocabulary else w for e, w in zip(rows, words, strict=True)
    ]
    assert encoded.words[:, 0].tolist() == words
    known = any(each["vector"] is not None for each in fitted_on)
    assert encoded.vectors.tolist() == [(each["vector"] or [0.0] * WIDTH) if known else [] for each in rows]


@given(some_rows, st.integers(1, 7))
def test_it_does_not_matter_how_rows_are_cut_into_batches(rows: list[dict[str, Any]], size: int) -> None:
    whole, batches = table(rows), table(rows).to_batches(max_chunksize=size)
    encoder = fit(whole)
    cut = FeatureEncoder.fit(batches, COLUMNS, max_words=MAX_WORDS, clip=CLIP)
    assert (cut.flags, cut.vocabularies, cut.vectors) == (encoder.flags, encoder.vocabularies, encoder.vectors)
    assert cut.means == pytest.approx(encoder.means)
    assert cut.scales == pytest.approx(encoder.scales)
    parts = [encoder.encode(batch).numbers for batch in batches]
    np.testing.assert_array_equal(np.concatenate(parts), encoder.encode(whole).numbers)


@given(some_rows)
def test_an_encoder_comes_back_from_its_document_as_it_was(rows: list[dict[str, Any]]) -> None:
    encoder = fit(table(rows))
    assert FeatureEncoder.from_json(json.loads(json.dumps(encoder.to_json()))) == encoder


def test_columns_that_are_unknown_together_share_one_flag() -> None:
    rows = pa.table({"a": [1, None, 3], "b": [4.0, None, 6.0], "c": [1, 2, None], "d": [1, 2, 3]})
    encoder = FeatureEncoder.fit([rows], ["a", "b", "c", "d"])
    assert encoder.flags == (("a", "b"), ("c",))
    assert encoder.number_names == ("a", "b", "c", "d", "unknown:a", "unknown:c")
    assert encoder.encode(rows).numbers[:, 4:].tolist() == [[0, 0], [1, 0], [0, 1]]


def test_a_shared_flag_tells_of_rows_where_nothing_is_known() -> None:
    encoder = FeatureEncoder.fit([pa.table({"a": [1, None], "b": [4, None]})], ["a", "b"])
    later = pa.table({"a": pa.array([1, None, None], pa.int64()), "b": pa.array([None, 2, None], pa.int64())})
    assert encoder.encode(later).numbers[:, 2].tolist() == [0, 0, 1]


def test_words_that_are_as_frequent_stand_in_the_order_of_the_alphabet() -> None:
    encoder = FeatureEncoder.fit([pa.table({"w": ["b", "c", "a", "b", "c", "d"]})], ["w"], max_words=3)
    assert encoder.vocabularies == {"w": ("b", "c", "a")}
    assert encoder.word_counts == (5,)


def test_a_column_may_have_a_limit_of_its_own_and_be_left_out_later() -> None:
    rows = pa.table({"n": [1.0, 2.0, 3.0], "v": ["b", "a", "b"], "w": ["c", "d", "c"]})
    encoder = FeatureEncoder.fit([rows], rows.column_names, most_of={"w": 1})
    assert encoder.vocabularies == {"v": ("b", "a"), "w": ("c",)}
    assert encoder.without(["w"]).columns == ("n", "v")


def test_moments_and_lists_of_names_are_left_out() -> None:
    rows = pa.table({"n": [1], "seen": pa.array([MOMENT], pa.timestamp("us", tz="UTC")), "last": [["i1", "i2"]]})
    assert FeatureEncoder.fit([rows], ["n", "seen", "last"]).columns == ("n",)


def test_a_column_that_is_always_the_same_becomes_zero() -> None:
    encoded = FeatureEncoder.fit([pa.table({"n": [7, 7, 7]})], ["n"]).encode(pa.table({"n": [7, 7]}))
    assert encoded.numbers.tolist() == [[0.0], [0.0]]


def test_nan_is_told_with_feature_count_and_first_row() -> None:
    rows = pa.table({"row_id": ["e1", "e2", "e3"], "rate": [1.0, math.nan, math.inf]})
    with pytest.raises(InputError, match=r"feature rate: .* in 2 rows, the first is row_id e2; mend the job"):
        FeatureEncoder.fit([rows], ["rate"])


def test_nan_is_told_where_rows_have_no_names() -> None:
    encoder = FeatureEncoder.fit([pa.table({"rate": [1.0, 2.0]})], ["rate"])
    with pytest.raises(InputError, match=r"feature rate: .* in 1 rows, the first is row 1;"):
        encoder.encode(pa.table({"rate": [1.0, math.nan]}))


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ({"n": [1], "v": [[1.0, 2.0]]}, "feature w: the encoder was fitted on a word, found no such column"),
        ({"n": ["1"], "w": ["a"], "v": [[1.0, 2.0]]}, "feature n: the encoder was fitted on a number, found string"),
        (
            {"n": [1], "w": ["a"], "v": [[1.0]]},
            "feature v: the encoder was fitted on vectors of 2 numbers, found one of 1",
        ),
    ],
)
def test_rows_that_do_not_fit_are_told_in_one_sentence(rows: dict[str, list[Any]], sentence: str) -> None:
    encoder = FeatureEncoder.fit([pa.table({"n": [1, 2], "w": ["a", "b"], "v": [[1.0, 2.0], None]})], ["n", "w", "v"])
    with pytest.raises(InputError, match=sentence):
        encoder.encode(pa.table(rows))


def test_a_column_of_nulls_needs_no_type() -> None:
    fitted_on = pa.table({"n": [1, 2], "w": ["a", "b"], "v": [[1.0, 2.0], None]})
    encoder = FeatureEncoder.fit([fitted_on], ["n", "w", "v"])
    typed = encoder.encode(pa.table({name: pa.nulls(2, fitted_on[name].type) for name in ("n", "w", "v")}))
    untyped = encoder.encode(pa.table({name: pa.nulls(2) for name in ("n", "w", "v")}))
    for name in ("numbers", "words", "vectors"):
        np.testing.assert_array_equal(getattr(untyped, name), getattr(typed, name))
    assert untyped.words.tolist() == [[0], [0]]


def test_an_encoder_is_not_fitted_on_nothing() -> None:
    with pytest.raises(InputError, match="fitted on training rows, found none"):
        FeatureEncoder.fit([], ["n"])


def test_a_document_of_another_version_is_refused() -> None:
    document = FeatureEncoder.fit([pa.table({"n": [1, 2]})], ["n"]).to_json()
    with pytest.raises(InputError, match="version 1 was expected, found version 2"):
        FeatureEncoder.from_json(document | {"version": 2})


@given(some_rows, some_rows, some_rows, st.data())
def test_parts_that_are_encoded_once_join_to_what_whole_rows_give(
    fitted_on: list[dict[str, Any]], left: list[dict[str, Any]], right: list[dict[str, Any]], data: st.DataObject
) -> None:
    """Whichever columns come from which part, and whichever rows of the parts meet, flags that several columns share
    among them."""
    encoder = fit(table(fitted_on))
    of_left = data.draw(st.sets(st.sampled_from(COLUMNS)))
    pairs = data.draw(
        st.lists(st.tuples(st.integers(0, len(left) - 1), st.integers(0, len(right) - 1)), min_size=1, max_size=20)
    )
    own = [name for name in COLUMNS if name in of_left]
    others = [name for name in COLUMNS if name not in of_left]
    parts = [part_of(encoder, table(left).select(own)), part_of(encoder, table(right).select(others))]
    refuse_incomplete(encoder, parts)
    at = [np.array([pair[side] for pair in pairs]) for side in (0, 1)]
    found = joined(encoder, list(zip(parts, at, strict=True)))
    whole = encoder.encode(
        table([{name: (left[a] if name in of_left else right[b])[name] for name in COLUMNS} for a, b in pairs])
    )
    np.testing.assert_array_equal(found.numbers, whole.numbers)
    np.testing.assert_array_equal(found.words, whole.words)
    np.testing.assert_array_equal(found.vectors, whole.vectors)


def test_columns_that_no_part_has_are_named() -> None:
    """What the model was fitted on and nothing tells is an error that names it."""
    rows = table([{"count": 1, "rate": 0.5, "sure": True, "word": "a", "vector": [0.0, 1.0]}])
    encoder = fit(rows)
    with pytest.raises(InputError, match="fitted on rate, word, vector, which nothing tonight tells"):
        refuse_incomplete(encoder, [part_of(encoder, rows.select(["count", "sure"]))])
