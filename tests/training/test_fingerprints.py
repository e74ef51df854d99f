"""Fingerprints tell rows apart exactly where their inputs differ."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from daybreak.features.encoder import Encoded
from training.fingerprints import fingerprints

KNOWN = -1_768_144_598_186_502_543
FLOATS = st.floats(-5, 5, width=32)


def tables(rows: int) -> st.SearchStrategy[tuple[Encoded, np.ndarray]]:
    """Rows in which few values are different, so that some rows are equal."""
    floats = st.sampled_from([0.0, -0.0, 1.5, -2.25])
    numbers, vectors, memory = (arrays.arrays(np.float32, (rows, width), elements=floats) for width in (2, 1, 2))
    words = arrays.arrays(np.int64, (rows, 1), elements=st.integers(0, 2))
    return st.tuples(st.builds(Encoded, numbers, words, vectors), memory)


@given(tables(12))
def test_rows_have_one_fingerprint_exactly_where_their_inputs_are_equal(table):
    """To the bit, but for the sign of zero."""
    encoded, memory = table
    found = fingerprints(encoded, memory)
    whole = np.hstack([encoded.numbers, encoded.words, encoded.vectors, memory])
    for row in range(len(found)):
        assert (found == found[row]).tolist() == (whole == whole[row]).all(axis=1).tolist()


@given(tables(4), st.permutations(range(4)))
def test_a_fingerprint_is_of_the_row_alone(table, order):
    """Whatever stands beside it, and wherever it stands."""
    encoded, memory = table
    found = fingerprints(encoded, memory)
    turned = fingerprints(encoded.of_rows(np.array(order)), memory[order])
    assert turned.tolist() == found[order].tolist()


@given(arrays.arrays(np.float32, (6, 3), elements=FLOATS))
def test_what_is_ignored_moves_no_fingerprint_within_a_step(numbers):
    """Numbers at the middle of a step may move by less than half of it."""
    step = 0.5
    middles = (np.round(numbers / step) * step).astype(np.float32)
    moved = (middles + np.float32(0.2 * step)).astype(np.float32)
    empty = np.zeros((6, 0), np.float32)
    words = np.zeros((6, 1), np.int64)
    found = [fingerprints(Encoded(each, words, empty), empty, step) for each in (middles, moved)]
    assert found[0].tolist() == found[1].tolist()


def test_fingerprints_stay_what_they_are():
    """They are compared with those of other nights, so they must not change unnoticed."""
    encoded = Encoded(np.ones((1, 2), np.float32), np.ones((1, 1), np.int64), np.zeros((1, 0), np.float32))
    assert fingerprints(encoded, np.ones((1, 2), np.float32)).tolist() == [KNOWN]
