"""What every reader hands on: a batch of rows that still know their file and their number in it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from daybreak.errors import InputError


@dataclass(frozen=True)
class Batch:
    """Rows of one file, column by column. `rows` numbers them from 1; header and blank lines do not count."""

    path: Path
    rows: npt.NDArray[np.int64]
    columns: dict[str, pa.Array]

    @classmethod
    def of(cls, path: Path, rows_before: int, rows: int, columns: dict[str, pa.Array]) -> Batch:
        return cls(path, np.arange(rows_before + 1, rows_before + rows + 1, dtype=np.int64), columns)

    def keep(self, wanted: pa.Array) -> Batch:
        """The rows where `wanted` is true."""
        mask = wanted.to_numpy(zero_copy_only=False)
        return Batch(self.path, self.rows[mask], {name: values.filter(wanted) for name, values in self.columns.items()})


def require_columns(path: Path, wanted: Sequence[str], there: Iterable[str]) -> None:
    """Raises one sentence where a wanted column is there twice, or is missing: all that are, and those there are."""
    have = list(there)
    twice = [name for name in wanted if have.count(name) > 1]
    if twice:
        raise InputError(f"{path} has two columns named '{twice[0]}'; give each column its own name")
    missing = [name for name in wanted if name not in have]
    if missing:
        advice = (
            "correct the mapping" if len(have) > 1 else "name the separator in the mapping if this is not one column"
        )
        raise InputError(f"{path} has no column {_quoted(missing)}; its columns are {_quoted(have)}: {advice}")


def _quoted(names: Sequence[str]) -> str:
    shown = [f"'{name}'" for name in names[:40]]
    return ", ".join(shown) + (f" and {len(names) - 40} more" if len(names) > 40 else "")
