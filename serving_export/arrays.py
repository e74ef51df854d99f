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


def table_of(rows: Ints, columns: Ints, values: Ints | Floats, shape: tuple[int, int], empty: float) -> npt.NDArray:  # type: ignore[type-arg]
    """Values at their rows and columns of a table that holds `empty` elsewhere."""
    table = np.full(shape, empty, values.dtype)
    table[rows, columns] = values
    return table


def best_first(queries: Ints, scores: Floats) -> Ints:
    """The rows of each query by falling score, ties as they came; rows of one query stand together already."""
    at = places(queries)
    lines = np.cumsum(at == 0) - 1
    shape = (int(lines.max(initial=-1)) + 1, int(at.max(initial=-1)) + 1)
    falling = np.argsort(table_of(lines, at, -scores, shape, np.inf), axis=1, kind="stable")
    rows = table_of(lines, at, np.arange(len(scores)), shape, NOBODY)
    ordered = np.take_along_axis(rows, falling, axis=1).ravel()
    return ordered[ordered >= 0]
