"""One index over vectors: built as its specification says, searched with some effort, scored exactly.

Scores are inner products. FAISS is given distances instead, in a space with one place more: every vector is filled up
to the same length there, so what is nearest to a query is what has the highest product with it. On products themselves
graphs leave items that no walk reaches, and cells are uneven.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import faiss
import numpy as np

from daybreak.errors import ReleaseError
from indexing.exact import exact_top_k
from indexing.scoring import Floats, Ints, best_of
from indexing.specification import CELLED, CODED, Effort, Kind, Specification
from indexing.torch_builder import Recipe, build_by_torch

BY_TORCH: dict[Kind, Literal["ivf_flat", "ivf_pq", "ivf_sq8"]] = {
    Kind.IVF_FLAT: "ivf_flat",
    Kind.IVF_PQ: "ivf_pq",
    Kind.IVF_SQ8: "ivf_sq8",
}
"""What torch builds on its device; anything else FAISS builds on the processor."""
MULTIPLE = 8
"""Widths are filled up to a multiple of it, or of the parts of a code, which cut them evenly."""
EXACT_FROM = 0.25
"""Where a filter would ask for this share of the cells or vectors, what is left is searched exactly."""
ADDED_AT_ONCE = 1 << 16


@dataclass(frozen=True)
class Ann:
    """An index and the vectors it is of; exact ones have no index."""

    specification: Specification
    vectors: Floats
    index: Any = None

    def search(self, queries: Floats, k: int, effort: Effort, hidden: Ints | None = None) -> tuple[Ints, Floats]:
        """The rows of the k highest products that it finds for each query, and those products. Hidden rows are never
        found. NOWHERE follows where there are fewer."""
        allowed = len(self.vectors) - (len(hidden) if hidden is not None else 0)
        share = allowed / max(len(self.vectors), 1)
        effort = effort.wider(share) if allowed else effort
        if self.index is None or allowed <= k or self._as_good_as_all(effort):
            return exact_top_k(queries, self.vectors, k, hidden=hidden)
        fetched = min(k * effort.again, len(self.vectors)) if self.specification.kind in CODED else k
        wide = _widened(queries, np.zeros(len(queries), np.float32), self.index.d)
        _, found = self.index.search(wide, fetched, params=self._parameters(effort, hidden, fetched))
        return best_of(queries, self.vectors, found, k)

    def _as_good_as_all(self, effort: Effort) -> bool:
        """Whether the effort comes to looking at so much that looking at all is quicker."""
        if self.specification.kind in CELLED:
            return effort.probes > max(EXACT_FROM * self.specification.cells, 1) and effort.probes > 1
        return effort.breadth > EXACT_FROM * len(self.vectors)

    def _parameters(self, effort: Effort, hidden: Ints | None, k: int) -> Any:
        selector = None
        if hidden is not None and len(hidden):
            allowed = np.ones(len(self.vectors), np.bool_)
            allowed[hidden] = False
            selector = faiss.IDSelectorBitmap(np.packbits(allowed, bitorder="little"))
        if self.specification.kind is Kind.HNSW:
            return faiss.SearchParametersHNSW(efSearch=max(effort.breadth, k), sel=selector)
        return faiss.SearchParametersIVF(nprobe=effort.probes, sel=selector)

    def write(self, path: Path) -> None:
        faiss.write_index(self.index, str(path))

    @property
    def memory_bytes(self) -> int:
        """What the index takes beside the vectors."""
        return int(faiss.serialize_index(self.index).nbytes) if self.index is not None else 0


def build(
    specification: Specification, vectors: Floats, seed: int, threads: int | None = None, device: str = "cpu"
) -> Ann:
    """An index of these vectors. The same vectors and seed give the same bytes, also of graphs, which one thread makes
    unless told otherwise. On another `device` than the processor torch builds what it can."""
    if specification.kind is Kind.EXACT:
        return Ann(specification, vectors)
    specification.refuse_few(len(vectors), "an index")
    lengths = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    filled = np.sqrt(np.maximum(lengths.max() - lengths, 0)).astype(np.float32)
    width = _width(vectors.shape[1] + 1, specification)
    if device != "cpu" and specification.kind in BY_TORCH:
        recipe = Recipe(BY_TORCH[specification.kind], specification.cells, specification.parts, "distance")
        made = build_by_torch(_widened(vectors, filled, width), recipe, device=device, seed=seed)
        return Ann(specification, vectors, made)
    index = _untrained(specification, width, seed)
    alone = 1 if specification.kind is Kind.HNSW else faiss.omp_get_max_threads()
    with _threads(threads or alone):
        if not index.is_trained:
            rows = _sample(len(vectors), specification.cells, seed)
            index.train(_widened(vectors[rows], filled[rows], width))
        for start in range(0, len(vectors), ADDED_AT_ONCE):
            block = slice(start, start + ADDED_AT_ONCE)
            index.add(_widened(vectors[block], filled[block], width))
    return Ann(specification, vectors, index)


def read(path: Path | None, specification: Specification, vectors: Floats) -> Ann:
    """An index from its file, which must be of these vectors."""
    if specification.kind is Kind.EXACT or path is None:
        return Ann(specification, vectors)
    try:
        index = faiss.read_index(str(path))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ReleaseError(f"index file {path.name} cannot be read ({reason[:200]}); build the index again") from None
    if index.ntotal != len(vectors) or index.d != _width(vectors.shape[1] + 1, specification):
        raise ReleaseError(
            f"index file {path.name} holds {index.ntotal:,} vectors of {index.d} places, where {len(vectors):,} of"
            f" {_width(vectors.shape[1] + 1, specification)} were expected: it is of another night or model; build the"
            " index again"
        )
    return Ann(specification, vectors, index)


def _untrained(specification: Specification, width: int, seed: int) -> Any:
    index = faiss.index_factory(width, specification.factory(), faiss.METRIC_L2)
    if specification.kind is Kind.HNSW:
        index.hnsw.efConstruction = specification.breadth
        return index
    index.cp.seed = seed & 0x7FFF_FFFF
    return index


def _sample(rows: int, cells: int, seed: int) -> Ints:
    """Rows to train on: as many as are of use."""
    wanted = min(rows, max(256 * cells, 65_536))
    return np.sort(np.random.default_rng(seed).choice(rows, wanted, replace=False))


def _width(places: int, specification: Specification) -> int:
    multiple = specification.parts or MULTIPLE
    return -(-places // multiple) * multiple


def _widened(vectors: Floats, filled: Floats, width: int) -> Floats:
    wide = np.zeros((len(vectors), width), np.float32)
    wide[:, : vectors.shape[1]] = vectors
    wide[:, vectors.shape[1]] = filled
    return wide


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
