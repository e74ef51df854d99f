"""What a filter is made of: matrices of items by items, held whole or as products.

A part is asked with a history for each row and answers with what it gives every item. It can be kept as plain arrays
and made again from them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from scipy.sparse import csr_matrix, diags
from torch.nn import functional

from training.data.ids import Ints
from training.data.wants import Floats
from training.models.spectrum import Matrix

ENTRIES_AT_ONCE = 2**27
"""Of histories by users, of which there may be millions."""
Arrays: TypeAlias = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True)
class LowRank:
    """A matrix as the product of two narrow ones."""

    before: Matrix
    after: Matrix


@dataclass(frozen=True)
class Completed:
    """A product of narrow matrices, and beyond it the two steps over `ties` (users by items): what the narrow ones have
    no room for, at a `strength`. `entering` and `leaving` are what the ties' items count on the way in and out."""

    low: LowRank
    ties: csr_matrix
    entering: Matrix
    leaving: Matrix
    strength: float

    @cached_property
    def across(self) -> csr_matrix:
        """The ties, items by users."""
        return csr_matrix(self.ties.T, dtype=np.float32)


Part: TypeAlias = Matrix | LowRank | Completed


def given_by(part: Part, asked: csr_matrix) -> Matrix:
    """What a part gives every item, for each history that is asked with."""
    if isinstance(part, Completed):
        return given_by(part.low, asked) + walked(part, asked) * (part.leaving * np.float32(part.strength))
    if isinstance(part, LowRank):
        return np.asarray((asked @ part.before) @ part.after.T, np.float32)
    return np.asarray(asked @ part, np.float32)


def walked(part: Completed, asked: csr_matrix, items: Ints | None = None) -> Matrix:
    """Where two steps over the ties lead from each history, before what items count on the way out; to some items, or
    to all."""
    across = part.across if items is None else part.across[items]
    met = csr_matrix((asked @ diags(part.entering)) @ part.ties.T, dtype=np.float32)
    rows = max(ENTRIES_AT_ONCE // max(met.shape[1], 1), 1)
    blocks = (met[start : start + rows].T.toarray(order="C") for start in range(0, max(met.shape[0], 1), rows))
    return np.concatenate([product(across, block).T for block in blocks])


def product(matrix: csr_matrix, dense: Matrix) -> Matrix:
    """A sparse matrix times a dense one: twice as quick as scipy's where rows are many and short."""
    neighbours, starts, values = (torch.from_numpy(each) for each in (matrix.indices, matrix.indptr[:-1], matrix.data))
    found = functional.embedding_bag(neighbours, torch.from_numpy(dense), starts, mode="sum", per_sample_weights=values)
    return found.numpy()


def whole(part: Part) -> Matrix:
    """The part as a matrix of items by items."""
    return part if isinstance(part, np.ndarray) else rows_of(part, slice(None))


def rows_of(part: Part, rows: slice) -> Matrix:
    """What a part gives every item, for each of some items that are asked with alone."""
    if isinstance(part, Completed):
        steps = (part.across[rows] @ part.ties).toarray() * np.float32(part.strength)
        return np.asarray(rows_of(part.low, rows) + steps * part.entering[rows, None] * part.leaving, np.float32)
    if isinstance(part, LowRank):
        return np.asarray(part.before[rows] @ part.after.T, np.float32)
    return part[rows]


def nearest(part: Part, lifted: Floats, neighbours: int, block: int = 2_048) -> csr_matrix:
    """A part whose columns are lifted, in each row only the largest entries."""
    every = len(lifted)
    most = min(neighbours, every)
    rows, columns, values = [], [], []
    for start in range(0, every, block):
        given = rows_of(part, slice(start, start + block)) * lifted
        chosen = np.sort(np.argpartition(-given, most - 1, axis=1)[:, :most], axis=1)
        found = np.take_along_axis(given, chosen, axis=1)
        kept = found > 0
        rows.append(np.repeat(np.arange(start, start + len(given)), kept.sum(axis=1)))
        columns.append(chosen[kept])
        values.append(found[kept])
    return csr_matrix((np.concatenate(values), (np.concatenate(rows), np.concatenate(columns))), shape=(every, every))


def arrays_of(name: str, part: Part) -> dict[str, npt.NDArray[Any]]:
    """A part as plain arrays, each under the part's name."""
    if isinstance(part, Completed):
        ends = {f"{name}_entering": part.entering, f"{name}_leaving": part.leaving}
        ties = {"values": part.ties.data, "columns": part.ties.indices, "starts": part.ties.indptr}
        ends |= {f"{name}_{of}": array for of, array in ties.items()} | {f"{name}_strength": np.array(part.strength)}
        return arrays_of(name, part.low) | ends
    if isinstance(part, LowRank):
        return {f"{name}_before": part.before, f"{name}_after": part.after}
    return {name: part}


def part_of(name: str, arrays: Arrays, n_items: int) -> Part:
    """The part that was kept under a name."""
    if name in arrays:
        return arrays[name]
    low = LowRank(arrays[f"{name}_before"], arrays[f"{name}_after"])
    if f"{name}_values" not in arrays:
        return low
    entries = tuple(arrays[f"{name}_{of}"] for of in ("values", "columns", "starts"))
    ties = csr_matrix(entries, shape=(len(entries[2]) - 1, n_items))
    return Completed(
        low, ties, arrays[f"{name}_entering"], arrays[f"{name}_leaving"], float(arrays[f"{name}_strength"])
    )
