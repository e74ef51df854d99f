"""One index over vectors, which are compared by their products: built as its specification says, searched with some
effort, scored exactly."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import faiss
import numpy as np

from daybreak.errors import ReleaseError
from indexing.arrays import Floats, Ints
from indexing.cells import cells_of
from indexing.exact import Exact
from indexing.scoring import best_of
from indexing.specification import CELLED, CODED, Effort, Kind, Specification
from indexing.torch_builder import Recipe, build_by_torch

BY_TORCH: dict[Kind, Literal["ivf_flat", "ivf_pq", "ivf_sq8"]] = {
    Kind.IVF_FLAT: "ivf_flat",
    Kind.IVF_PQ: "ivf_pq",
    Kind.IVF_SQ8: "ivf_sq8",
}
"""What torch builds on its device; anything else FAISS builds on the processor."""
FAISS_VERSION: str = faiss.__version__
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

    @cached_property
    def exact(self) -> Exact:
        """The same vectors, searched without the index."""
        return Exact(self.vectors)

    def search(self, queries: Floats, k: int, effort: Effort, hidden: Ints | None = None) -> tuple[Ints, Floats]:
        """The rows of the k highest products that it finds for each query, and those products. Hidden rows are never
        found. NOWHERE follows where there are fewer."""
        allowed = len(self.vectors) - (len(hidden) if hidden is not None else 0)
        share = allowed / max(len(self.vectors), 1)
        effort = effort.wider(share) if allowed else effort
        if self.index is None or allowed <= k or self._as_good_as_all(effort):
            return self.exact.top_k(queries, k, hidden=hidden)
        fetched = min(k * effort.again, len(self.vectors)) if self.specification.kind in CODED else k
        wide, how = _widened(queries, self.index.d), self._parameters(effort, hidden, fetched)
        if self.specification.kind is Kind.HNSW:
            return best_of(queries, self.vectors, self.index.search(wide, fetched, params=how)[1], k)
        return self._by_cells(queries, wide, k, fetched, how)

    def _by_cells(self, queries: Floats, wide: Floats, k: int, fetched: int, how: Any) -> tuple[Ints, Floats]:
        """Queries that look into the same cells are asked one after another: what they read is in the caches then."""
        how.nprobe = min(how.nprobe, self.index.nlist)
        products, cells = self.index.quantizer.search(wide, how.nprobe)
        order = np.lexsort((cells[:, min(1, how.nprobe - 1)], cells[:, 0]))
        given = [np.ascontiguousarray(each[order]) for each in (wide, cells, products)]
        scores, found = np.empty((len(order), fetched), np.float32), np.empty((len(order), fetched), np.int64)
        asked, *arrays = (faiss.swig_ptr(each) for each in (*given, scores, found))
        self.index.search_preassigned_c(len(order), asked, fetched, *arrays, False, how)
        back = np.argsort(order)
        rows, best = best_of(queries[order], self.vectors, found, k)
        return rows[back], best[back]

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
    kind = specification.kind
    if kind is Kind.EXACT:
        return Ann(specification, vectors)
    specification.refuse_few(len(vectors), "an index")
    if device != "cpu" and kind in BY_TORCH:
        recipe = Recipe(BY_TORCH[kind], specification.cells, specification.parts)
        wide = _widened(vectors, _width(specification, vectors))
        return Ann(specification, vectors, build_by_torch(wide, recipe, device=device, seed=seed))
    alone = 1 if kind is Kind.HNSW else faiss.omp_get_max_threads()
    with _threads(threads or alone):
        index = (_graph if kind is Kind.HNSW else _cells)(specification, vectors, seed)
    return Ann(specification, vectors, index)


def _cells(specification: Specification, vectors: Floats, seed: int) -> Any:
    """Cells by product. Codes of half a byte are filed by FAISS itself, which knows no bands."""
    width, banded = _width(specification, vectors), specification.kind is not Kind.IVF_PQ4
    centres, own = cells_of(vectors, specification.cells, seed, banded=banded)
    factory = replace(specification, cells=len(centres)).factory()
    index = faiss.index_factory(width, factory, faiss.METRIC_INNER_PRODUCT)
    index.quantizer.add(_widened(centres, width))
    if specification.kind is Kind.IVF_SQ8:
        index.by_residual = False
    rows = _sample(len(vectors), len(centres), seed)
    index.train(_widened(vectors[rows], width))
    for start in range(0, len(vectors), ADDED_AT_ONCE):
        block = _widened(vectors[start : start + ADDED_AT_ONCE], width)
        if banded:
            cells = np.ascontiguousarray(own[start : start + ADDED_AT_ONCE])
            index.add_core(len(block), faiss.swig_ptr(block), None, faiss.swig_ptr(cells))
        else:
            index.add(block)
    return index


def _graph(specification: Specification, vectors: Floats, seed: int) -> Any:
    """A graph by distance, in a space with one place more, which fills every vector up to the same length: what is
    nearest there has the highest product. On products themselves a graph leaves items that no walk reaches."""
    index = faiss.index_factory(_width(specification, vectors), specification.factory(), faiss.METRIC_L2)
    index.hnsw.efConstruction = specification.breadth
    index.hnsw.rng = faiss.RandomGenerator(seed & 0x7FFF_FFFF)
    lengths = np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)
    filled = np.sqrt(np.maximum(lengths.max() - lengths, 0)).astype(np.float32)
    for start in range(0, len(vectors), ADDED_AT_ONCE):
        block = _widened(vectors[start : start + ADDED_AT_ONCE], index.d)
        block[:, vectors.shape[1]] = filled[start : start + ADDED_AT_ONCE]
        index.add(block)
    return index


def read(path: Path | None, specification: Specification, vectors: Floats) -> Ann:
    """An index from its file, which must be of these vectors."""
    if specification.kind is Kind.EXACT or path is None:
        return Ann(specification, vectors)
    try:
        index = faiss.read_index(str(path))
    except RuntimeError as error:
        reason = str(error).strip().splitlines()[-1]
        raise ReleaseError(f"index file {path.name} cannot be read ({reason[:200]}); build the index again") from None
    if index.ntotal != len(vectors) or index.d != _width(specification, vectors):
        raise ReleaseError(
            f"index file {path.name} holds {index.ntotal:,} vectors of {index.d} places, where {len(vectors):,} of"
            f" {_width(specification, vectors)} were expected: it is of another night or model; build the"
            " index again"
        )
    return Ann(specification, vectors, index)


def _sample(rows: int, cells: int, seed: int) -> Ints:
    """Rows to train on: as many as are of use."""
    wanted = min(rows, max(256 * cells, 65_536))
    return np.sort(np.random.default_rng(seed).choice(rows, wanted, replace=False))


def _width(specification: Specification, vectors: Floats) -> int:
    """The places of a vector in the index."""
    multiple = specification.parts or MULTIPLE
    places = vectors.shape[1] + (specification.kind is Kind.HNSW)
    return -(-places // multiple) * multiple


def _widened(vectors: Floats, width: int) -> Floats:
    """The same vectors with zeros behind, which count in no product."""
    wide = np.zeros((len(vectors), width), np.float32)
    wide[:, : vectors.shape[1]] = vectors
    return wide


@contextmanager
def _threads(count: int) -> Iterator[None]:
    before = faiss.omp_get_max_threads()
    faiss.omp_set_num_threads(count)
    try:
        yield
    finally:
        faiss.omp_set_num_threads(before)
