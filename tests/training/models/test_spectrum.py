"""The strongest singular vectors are those that numpy finds: near enough where there are many, exact where few."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.sparse import csr_matrix
from scipy.sparse import random as drawn

from training.models.spectrum import LEAST_WIDTH, STEPS, leading

WIDE = (650, 900)
"""More rows than a subspace is wide."""


def oracle(matrix: csr_matrix | np.ndarray) -> np.ndarray:
    dense = matrix.toarray() if isinstance(matrix, csr_matrix) else matrix
    return np.linalg.svd(dense.astype(np.float64), compute_uv=False)


def slow(shape: tuple[int, int]) -> csr_matrix:
    """Entries drawn at random, whose spectrum hardly falls."""
    return csr_matrix(drawn(*shape, density=0.02, random_state=3, dtype=np.float32))


def falling(shape: tuple[int, int], rank: int, by: float) -> csr_matrix:
    """Each value so much of the one before."""
    draw = np.random.default_rng(4)
    left, right = (np.linalg.qr(draw.standard_normal((size, rank)))[0] for size in shape)
    return csr_matrix(((left * by ** np.arange(rank)) @ right.T).astype(np.float32))


def assert_orthonormal(vectors: np.ndarray) -> None:
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(vectors.shape[1]), atol=2e-4)


def test_the_worlds_here_are_large():
    """So that what is asked of subspaces is asked of subspaces."""
    assert min(WIDE) > STEPS * LEAST_WIDTH


@pytest.mark.parametrize("shape", [WIDE, WIDE[::-1]])
def test_of_a_spectrum_that_falls_slowly_values_are_near(shape):
    """Within two percent each, and never above; vectors are orthonormal and belong together."""
    matrix = slow(shape)
    left, values, right = leading(matrix, 60)
    expected = oracle(matrix)[:60]
    assert (left.shape, values.shape, right.shape) == ((shape[0], 60), (60,), (shape[1], 60))
    assert (values <= expected * 1.0001).all()
    assert (values >= expected * 0.98).all()
    assert_orthonormal(left)
    assert_orthonormal(right)
    np.testing.assert_allclose(matrix.T @ left, right * values, atol=1e-4 * values[0])


@pytest.mark.parametrize("shape", [WIDE, WIDE[::-1]])
def test_of_a_spectrum_that_falls_fast_they_are_exact(shape):
    """Also where the last is a thousandth of the first; the product is the matrix."""
    matrix = falling(shape, 60, 0.9)
    left, values, right = leading(matrix, 60)
    np.testing.assert_allclose(values, oracle(matrix)[:60], rtol=1e-4)
    assert_orthonormal(left)
    np.testing.assert_allclose((left * values) @ right.T, matrix.toarray(), atol=1e-5)


@pytest.mark.parametrize("asked", [1, 8, 40])
def test_where_the_rank_is_lower_there_are_fewer(asked):
    """No more than there are of any strength, and no vector made of rounding."""
    matrix = falling(WIDE, 8, 0.7)
    left, values, right = leading(matrix, asked)
    assert len(values) == left.shape[1] == right.shape[1] == min(asked, 8)
    np.testing.assert_allclose(values, oracle(matrix)[: min(asked, 8)], rtol=1e-4)
    assert_orthonormal(left)


@pytest.mark.parametrize("many", [12, 40])
def test_equally_strong_directions_are_all_found(many):
    """As those of groups that have nothing to do with each other, also of more groups than a block is wide."""
    groups = np.arange(600) % many
    matrix = csr_matrix((groups[:, None] == groups[None, :]).astype(np.float32))
    left, values, right = leading(matrix, 50)
    np.testing.assert_allclose(values, np.full(many, 600 / many), rtol=1e-4)
    np.testing.assert_allclose((left * values) @ right.T, matrix.toarray(), atol=1e-3)


@settings(max_examples=40, deadline=None)
@given(rows=st.integers(1, 9), columns=st.integers(1, 9), count=st.integers(1, 9), seed=st.integers(0, 99))
def test_what_is_small_is_exact(rows, columns, count, seed):
    """Sparse or dense, wide or tall: numpy's values, vectors that make the nearest matrix of that rank."""
    dense = np.random.default_rng(seed).integers(0, 3, (rows, columns)).astype(np.float32)
    expected = oracle(dense)
    expected = expected[expected > 1e-5 * expected.max(initial=0)][:count]
    for matrix in (dense, csr_matrix(dense)):
        left, values, right = leading(matrix, count)
        np.testing.assert_allclose(values, expected, rtol=1e-4)
        assert_orthonormal(left)
        assert_orthonormal(right)
        if len(expected) < count:
            np.testing.assert_allclose((left * values) @ right.T, dense, atol=1e-5)


@pytest.mark.parametrize("matrix", [slow(WIDE), slow((9, 7)), falling(WIDE, 5, 1.0)], ids=["large", "small", "alike"])
def test_one_matrix_gives_one_answer(matrix):
    """To the byte, whatever was drawn before; each vector's largest entry is above 0."""
    first = leading(matrix, 20)
    np.random.default_rng().standard_normal(3)
    assert [part.tobytes() for part in first] == [part.tobytes() for part in leading(matrix.copy(), 20)]
    assert all(part.dtype == np.float32 for part in first)
    right = first[2]
    assert (right[np.abs(right).argmax(axis=0), np.arange(right.shape[1])] > 0).all()


@pytest.mark.parametrize("shape", [(3, 4), WIDE])
def test_nothing_has_no_directions(shape):
    """A matrix of zeros gives none, of any size."""
    left, values, right = leading(csr_matrix(shape, dtype=np.float32), 2)
    assert (left.shape, values.shape, right.shape) == ((shape[0], 0), (0,), (shape[1], 0))
