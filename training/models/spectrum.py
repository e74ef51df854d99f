"""The strongest singular vectors of a matrix, by block Krylov subspaces.

Near enough rather than exact: what a filter keeps of a spectrum that falls slowly hardly depends on the last digits of
its weakest vectors, and exact ones take ten times as long (Musco and Musco, "Randomized Block Krylov Methods", 2015).
Small matrices are decomposed whole. What is drawn is drawn by a seed, so that the same matrix gives the same vectors.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.sparse import csr_matrix

Matrix: TypeAlias = npt.NDArray[np.float32]
SMALL = 64
"""Up to so many rows or columns a matrix is decomposed whole; one that is held whole up to `SMALL_DENSE`."""
SMALL_DENSE = 2_000
STEPS = 24
"""How often the subspace is widened; it ends three times as wide as what is asked for, or wider."""
LEAST_WIDTH = 16
"""By so many vectors at least: of directions that are equally strong, as those of groups apart are, no more are found.
"""
WEAKEST = 1e-5
"""A value of no more than this share of the strongest is what rounding has left of nothing."""
ROWS_AT_ONCE = 8_192


def leading(matrix: Matrix | csr_matrix, count: int) -> tuple[Matrix, Matrix, Matrix]:
    """The strongest singular vectors, strongest first, with their signs settled; fewer than `count` where there are no
    more of any strength."""
    small = min(matrix.shape) <= SMALL or (isinstance(matrix, np.ndarray) and len(matrix) <= SMALL_DENSE)
    if small or STEPS * _width(count) >= min(matrix.shape):
        left, values, right = _decomposed(matrix, count)
    elif matrix.shape[0] <= matrix.shape[1]:
        left, values, right = _by_subspace(matrix, matrix.T, count)
    else:
        right, values, left = _by_subspace(matrix.T, matrix, count)
    kept = values > WEAKEST * values.max(initial=0.0)
    left, values, right = left[:, kept], values[kept], right[:, kept]
    signs = np.sign(right[np.argmax(np.abs(right), axis=0), np.arange(len(values))])
    return (left * signs).astype(np.float32), values.astype(np.float32), (right * signs).astype(np.float32)


def _decomposed(matrix: Matrix | csr_matrix, count: int) -> tuple[Matrix, Matrix, Matrix]:
    whole = matrix.toarray() if isinstance(matrix, csr_matrix) else matrix
    left, values, across = (
        part.astype(np.float32) for part in np.linalg.svd(whole.astype(np.float64), full_matrices=False)
    )
    return left[:, :count], values[:count], across[:count].T


def _by_subspace(wide: Matrix | csr_matrix, tall: Matrix | csr_matrix, count: int) -> tuple[Matrix, Matrix, Matrix]:
    """Of a matrix and its transpose: what a block of drawn vectors becomes when multiplied by both again and again
    spans the strongest directions. Where that leads nowhere new, others are drawn, until there are none."""
    draw, width, found = np.random.default_rng(0), _width(count), 0
    basis = np.empty((wide.shape[0], STEPS * width), np.float32, order="F")
    block = basis[:, :0]
    for _ in range(STEPS):
        block = _new(np.asarray(wide @ (tall @ block)), basis[:, :found])
        if block.shape[1] < width:
            drawn = np.asarray(wide @ draw.standard_normal((wide.shape[1], width)).astype(np.float32))
            more = _new(drawn, np.concatenate([basis[:, :found], block], axis=1))
            block = np.concatenate([block, more], axis=1)[:, :width]
        basis[:, found : found + block.shape[1]] = block
        found += block.shape[1]
        if block.shape[1] < width:
            break
    across = np.asarray(tall @ basis[:, :found])
    squares, turns = np.linalg.eigh(_products(across))
    turns = turns[:, ::-1][:, :count].astype(np.float32)
    values = np.sqrt(np.maximum(squares[::-1][:count], 0.0)).astype(np.float32)
    return basis[:, :found] @ turns, values, (across @ turns) / np.maximum(values, np.float32(1e-12))


def _new(block: Matrix, basis: Matrix) -> Matrix:
    """The directions of a block that a basis has not, as more of it; what is left of the others is rounding."""
    lengths = np.linalg.norm(block, axis=0)
    rest, heights = np.linalg.qr(block - basis @ (basis.T @ block))
    rest = rest[:, np.abs(np.diag(heights)) > WEAKEST * lengths]
    return np.asarray(np.linalg.qr(rest - basis @ (basis.T @ rest))[0], np.float32)


def _width(count: int) -> int:
    return max(math.ceil(3 * count / STEPS), LEAST_WIDTH)


def _products(across: Matrix) -> npt.NDArray[np.float64]:
    """Of each column with each, in double precision: weak ones would drown in the rounding of strong ones."""
    total = np.zeros((across.shape[1], across.shape[1]))
    for start in range(0, len(across), ROWS_AT_ONCE):
        rows = across[start : start + ROWS_AT_ONCE].astype(np.float64)
        total += rows.T @ rows
    return total
