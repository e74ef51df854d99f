"""Vectors of many, made a block at a time: of those whose inputs have changed, or of all, to see what keeping is worth.

A finished block lies on disk until the night's commit, under the fingerprints of its inputs: whoever goes on after an
interruption takes it up, and a block of other inputs is another file.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from daybreak.errors import ModelError
from daybreak.files import written_beside
from training.data.ids import IdMap, Ints
from training.fingerprints import fingerprints
from training.towers import Forward, Inputs, Vectors


@dataclass(frozen=True)
class Standing:
    """The vectors of an entity that stand from earlier nights, with the fingerprints of what they were made from."""

    ids: IdMap
    inputs: Ints
    vectors: Vectors


@dataclass(frozen=True)
class Block:
    """Vectors just made: whose, from what, and how far such as stood lay from them, by their mean length."""

    rows: Ints
    inputs: Ints
    vectors: Vectors
    gap: float | None


@dataclass(frozen=True)
class Maker:
    """Makes the vectors of one entity, whose `inputs` its `tower` takes."""

    name: str
    ids: IdMap
    inputs: Callable[[Ints], Inputs]
    tower: Forward
    standing: Standing | None
    ignored_change: float
    folder: Path

    def blocks(self, size: int, *, whole: bool) -> Iterator[Block]:
        """Block by block whatever is to be made."""
        places = self.standing.ids.rows(self.ids.ids) if self.standing else np.full(len(self.ids), -1)
        for start in range(0, len(self.ids), size):
            rows = np.arange(start, min(start + size, len(self.ids)))
            yield self._block(rows, places[rows], whole=whole)

    def _block(self, rows: Ints, places: Ints, *, whole: bool) -> Block:
        encoded, memory = self.inputs(rows)
        prints = fingerprints(encoded, memory, self.ignored_change)
        stands = np.zeros(len(rows), np.bool_)
        if self.standing is not None:
            stands = (places >= 0) & (self.standing.inputs[places] == prints)
        chosen = np.arange(len(rows)) if whole else np.flatnonzero(~stands)
        vectors = self._made(rows[chosen], (encoded.of_rows(chosen), memory[chosen]), prints[chosen])
        gap = None
        if whole and self.standing is not None and stands.any():
            gap = _apart(self.standing.vectors[places[stands]], vectors[stands])
        return Block(rows[chosen], prints[chosen], vectors, gap)

    def _made(self, rows: Ints, inputs: Inputs, prints: Ints) -> Vectors:
        """The vectors, from disk where the same were made before an interruption."""
        path = self.folder / f"{self.name}-{hashlib.sha256(prints.tobytes()).hexdigest()[:24]}.npy"
        with suppress(OSError, ValueError, EOFError):  # not there, or cut short: they are made again
            kept: Vectors = np.load(path, allow_pickle=False)
            return kept
        vectors = self.tower(*inputs)
        self._refuse_nan(rows, vectors)
        with written_beside(path) as file:
            np.save(file, vectors, allow_pickle=False)
        return vectors

    def _refuse_nan(self, rows: Ints, vectors: Vectors) -> None:
        bad = np.flatnonzero(~np.isfinite(vectors).all(axis=1))
        if len(bad):
            raise ModelError(
                f"the towers' champion gives {len(bad):,} {self.name}s a vector with NaN or infinity in it, the first"
                f" to {self.ids.ids[int(rows[bad[0]])]}: promote another version (`daybreak models roll-back"
                " two_tower --because …`) and run training.candidates and training.embeddings again"
            )


def _apart(kept: Vectors, made: Vectors) -> float:
    """The largest distance, by the mean length of the vectors."""
    usual = float(np.linalg.norm(made, axis=1).mean())
    return float(np.linalg.norm(kept - made, axis=1).max()) / max(usual, 1e-9)
