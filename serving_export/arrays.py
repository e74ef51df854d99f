"""Lists of many queries as flat arrays: rows of one query stand together, in the order of the queries."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
NOBODY = -1
"""The number of what is not known."""


def places(groups: Ints) -> Ints:
    """The place of each row among the rows of its group, from 0; rows of a group stand together."""
    starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]]) if len(groups) else np.zeros(0, np.int64)
    return np.arange(len(groups)) - np.repeat(starts, np.diff(np.r_[starts, len(groups)]))


def spread(starts: Ints, ends: Ints) -> tuple[Ints, Ints]:
    """For stretches from `starts` to `ends`, one after another: the stretch of each place, and the place."""
    lengths = ends - starts
    owners = np.repeat(np.arange(len(lengths)), lengths)
    return owners, np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths) + starts[owners]


def contained(keys: Ints, among: Ints) -> Flags:
    """Which keys are among those of a sorted array."""
    if not len(among):
        return np.zeros(len(keys), np.bool_)
    found = np.searchsorted(among, keys)
    found[found == len(among)] = 0
    return np.asarray(among[found] == keys)


def table_of(rows: Ints, columns: Ints, values: Ints | Floats, shape: tuple[int, int], empty: float) -> npt.NDArray:  # type: ignore[type-arg]
    """Values at their rows and columns of a table that holds `empty` elsewhere."""
    table = np.full(shape, empty, values.dtype)
    table[rows, columns] = values
    return table
