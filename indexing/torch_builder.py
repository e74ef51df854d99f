"""Inverted-file indexes that torch trains and fills, for machines whose GPU torch can use and FAISS cannot.

Torch finds the cells by k-means, learns what vectors are encoded with, and assigns and encodes every vector, on
whichever device it is told. What is handed over is an index of FAISS like any other, ready to be searched, added to
and written: nothing of it says that FAISS has not trained it.

By distance, cells are what is nearest to their centroids. By product they are cones: centroids are directions of
length 1, a vector belongs to the one with which its product is largest, and a query looks first where its own direction
leads. FAISS trains both that way, so vectors that it adds later go where torch would have put them. Products are not
searched in cells by distance: with lognormal lengths (0.7), 8 of 256 such cells held 0.46 of all vectors and 0.19 of
the ten best, 8 cones 0.03 and 0.62. Both quantizers encode residuals; that of scalars is scored rightly only as long
as the cells are found by the measure of the index, as they are here.

One seed gives the same bytes again on the same device, with the same number of threads. Sums of a cell are therefore
taken over rows in order, by a stable sort and a reduction by segment: `index_add_` adds in any order on a GPU.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import faiss
import numpy as np
import torch

from daybreak.errors import InputError
from indexing.arrays import Bytes, Floats, Ints

CODEWORDS = 256
"""Centroids of each part of a product quantizer: what a byte tells apart."""
SCORES = 2**22
"""Products that are held at once: few enough for a processor's cache, enough to occupy a GPU."""
NUDGE = 1 / 1024
"""How far the halves of a cell are moved apart."""


@dataclass(frozen=True)
class Recipe:
    """What kind of index is built. `code_bytes` is how many parts a product quantizer cuts vectors into, each of which
    takes a byte; it must divide their dimensions."""

    kind: Literal["ivf_flat", "ivf_pq", "ivf_sq8"]
    cells: int
    code_bytes: int = 0
    measure: Literal["product", "distance"] = "product"


def build_by_torch(
    vectors: Floats,
    recipe: Recipe,
    *,
    device: str,
    seed: int,
    iterations: int = 10,
    train_rows: int = 256,
    block: int = 65_536,
) -> faiss.IndexIVF:
    """An index of these vectors, whose ids are their row numbers. At most `train_rows` rows are learned from for each
    centroid, and `block` rows are on the device at once when all are gone through."""
    _check_vectors(vectors, recipe, block)
    _check_code(vectors.shape, recipe)
    rows = _Rows(vectors, _usable(device), block)
    study = _Study(torch.Generator().manual_seed(seed), iterations, train_rows)
    cones = recipe.measure == "product"
    centroids = study.centroids(rows.take(study.sample(len(vectors), recipe.cells)), recipe.cells, cones)
    cells = np.concatenate([_nearest(part, centroids, cones).cpu().numpy() for _, part in rows])
    filed = _Filed(rows, centroids, cells)
    match recipe.kind:
        case "ivf_flat":
            index, codes = _flat(filed, recipe)
        case "ivf_pq":
            index, codes = _product(filed, recipe, study)
        case "ivf_sq8":
            index, codes = _scalar(filed, recipe)
    _fill(index, cells, codes)
    return index


@dataclass(frozen=True)
class _Rows:
    """Vectors, and the device that they are brought to block by block."""

    vectors: Floats
    device: torch.device
    block: int

    def __iter__(self) -> Iterator[tuple[slice, torch.Tensor]]:
        for start in range(0, len(self.vectors), self.block):
            where = slice(start, start + self.block)
            yield where, torch.tensor(self.vectors[where], device=self.device)

    def take(self, rows: Ints) -> torch.Tensor:
        return torch.from_numpy(self.vectors[rows]).to(self.device)


@dataclass(frozen=True)
class _Filed:
    """Vectors of which the cell is known."""

    rows: _Rows
    centroids: torch.Tensor
    cells: Ints

    def residuals(self) -> Iterator[torch.Tensor]:
        """What is left of each vector without its centroid, block by block."""
        for where, part in self.rows:
            yield part - self.centroids[torch.from_numpy(self.cells[where]).to(part.device)]

    def residuals_of(self, rows: Ints) -> torch.Tensor:
        return self.rows.take(rows) - self.centroids[torch.from_numpy(self.cells[rows]).to(self.centroids.device)]


@dataclass(frozen=True)
class _Study:
    """How centroids are learned: by Lloyd's iterations, from rows that are drawn."""

    generator: torch.Generator
    iterations: int
    train_rows: int

    def sample(self, found: int, centroids: int) -> Ints:
        """Rows to learn so many centroids from, in order."""
        drawn = torch.randperm(found, generator=self.generator)[: self.train_rows * centroids]
        return np.sort(drawn.numpy())

    def centroids(self, rows: torch.Tensor, count: int, cones: bool) -> torch.Tensor:
        """The centroids of so many cells of rows, which begin at rows that are drawn; those of cones have length 1."""
        first = torch.randperm(len(rows), generator=self.generator)[:count].to(rows.device)
        centroids = _directions(rows[first]) if cones else rows[first]
        highest = rows.norm(dim=1) if cones else _halved_squares(rows)
        for _ in range(self.iterations):
            scores, cells = _scored(rows, centroids, cones)
            order = torch.argsort(cells, stable=True)
            sizes = torch.bincount(cells, minlength=count)
            sums = torch.segment_reduce(rows[order], "sum", lengths=sizes, axis=0)
            losses = torch.segment_reduce((highest - scores)[order], "sum", lengths=sizes, axis=0)
            means = torch.where(sizes.unsqueeze(1) > 0, sums / sizes.unsqueeze(1), centroids)
            centroids = _without_empty(means, sizes, losses)
            centroids = _directions(centroids) if cones else centroids
        return centroids


def _directions(rows: torch.Tensor) -> torch.Tensor:
    return torch.nn.functional.normalize(rows, dim=1)


def _halved_squares(rows: torch.Tensor) -> torch.Tensor:
    return (rows * rows).sum(1) / 2


def _nearest(rows: torch.Tensor, centroids: torch.Tensor, cones: bool) -> torch.Tensor:
    """Which centroid each row belongs to."""
    return _scored(rows, centroids, cones)[1]


def _scored(rows: torch.Tensor, centroids: torch.Tensor, cones: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """The score that each row has with its centroid, and which that is; of several, the first. In cones it is the
    product; else the product less half the centroid's square, which is highest where the distance is least."""
    burden = torch.zeros_like(centroids[:, 0]) if cones else _halved_squares(centroids)
    step = max(1, SCORES // len(centroids))
    best = [torch.addmm(burden, part, centroids.T, beta=-1).max(1) for part in torch.split(rows, step)]
    return torch.cat([each.values for each in best]), torch.cat([each.indices for each in best])


def _without_empty(centroids: torch.Tensor, sizes: torch.Tensor, losses: torch.Tensor) -> torch.Tensor:
    """The same with each empty cell given half of the one that then fits its rows worst, both moved apart a little.
    That is not the largest where many vectors are equal: those no centroids tell apart."""
    found, filled = sizes.cpu().numpy(), centroids.clone()
    left = np.where(found > 1, losses.cpu().numpy(), 0)
    apart = torch.full_like(centroids[0], NUDGE)
    apart[1::2] = -NUDGE
    for empty in np.flatnonzero(found == 0):
        worst = int(left.argmax())
        left[empty] = left[worst] = left[worst] / 2
        filled[empty] = filled[worst] * (1 + apart)
        filled[worst] *= 1 - apart
    return filled


def _quantizer(filed: _Filed, recipe: Recipe) -> tuple[Any, int, int, int]:
    """What FAISS finds cells with, and what it is told of an index besides: width, cells and measure."""
    width = filed.centroids.shape[1]
    quantizer = faiss.IndexFlatIP(width) if recipe.measure == "product" else faiss.IndexFlatL2(width)
    quantizer.add(filed.centroids.cpu().numpy())
    return quantizer, width, recipe.cells, quantizer.metric_type


def _flat(filed: _Filed, recipe: Recipe) -> tuple[Any, Bytes]:
    """Vectors as they are."""
    index = faiss.IndexIVFFlat(*_quantizer(filed, recipe))
    index.is_trained = True
    return index, np.ascontiguousarray(filed.rows.vectors).view(np.uint8)


def _product(filed: _Filed, recipe: Recipe, study: _Study) -> tuple[Any, Bytes]:
    """Each part of a residual as the number of the nearest of its codewords."""
    quantizer, width, cells, measure = _quantizer(filed, recipe)
    index = faiss.IndexIVFPQ(quantizer, width, cells, recipe.code_bytes, 8, measure)
    size = width // recipe.code_bytes
    drawn = torch.split(filed.residuals_of(study.sample(len(filed.cells), CODEWORDS)), size, dim=1)
    books = [study.centroids(part.contiguous(), CODEWORDS, cones=False) for part in drawn]
    faiss.copy_array_to_vector(torch.stack(books).cpu().numpy().ravel(), index.pq.centroids)
    index.is_trained = True
    if recipe.measure == "distance":
        index.precompute_table()

    def encoded(residuals: torch.Tensor) -> Bytes:
        pairs = zip(torch.split(residuals, size, dim=1), books, strict=True)
        return torch.stack([_nearest(part, book, False) for part, book in pairs], dim=1).to(torch.uint8).cpu().numpy()

    return index, np.concatenate([encoded(residuals) for residuals in filed.residuals()])


def _scalar(filed: _Filed, recipe: Recipe) -> tuple[Any, Bytes]:
    """Each place of a residual as a byte, of the range that it has among all vectors, so that none is cut off."""
    quantizer, width, cells, measure = _quantizer(filed, recipe)
    index = faiss.IndexIVFScalarQuantizer(quantizer, width, cells, faiss.ScalarQuantizer.QT_8bit, measure)
    ends = torch.stack([torch.stack(part.aminmax(dim=0)) for part in filed.residuals()])
    low, high = ends[:, 0].amin(0), ends[:, 1].amax(0)
    index.sq.train(torch.stack([low, high]).cpu().numpy())
    index.is_trained = True
    span = torch.where(high > low, high - low, 1)

    def encoded(residuals: torch.Tensor) -> Bytes:
        return (((residuals - low) / span).clamp(0, 1) * 255).to(torch.uint8).cpu().numpy()

    return index, np.concatenate([encoded(residuals) for residuals in filed.residuals()])


def _fill(index: Any, cells: Ints, codes: Bytes) -> None:
    """Puts each row's number and code into the list of its cell, in order of rows."""
    order = np.argsort(cells, kind="stable").astype(np.int64)
    ends = np.cumsum(np.bincount(cells, minlength=index.nlist))
    for cell, ids in enumerate(np.split(order, ends[:-1])):
        if len(ids):
            held = codes[ids]
            index.invlists.add_entries(cell, len(ids), faiss.swig_ptr(ids), faiss.swig_ptr(held))
    index.ntotal = len(cells)


def _check_vectors(vectors: Floats, recipe: Recipe, block: int) -> None:
    if vectors.ndim != 2 or not vectors.size or vectors.dtype != np.float32:
        raise InputError(
            "an index needs rows of vectors in float32, but found an array of shape"
            f" {vectors.shape} in {vectors.dtype}: hand over a matrix with a row for each vector"
        )
    broken = sum(
        int((~np.isfinite(vectors[start : start + block])).any(axis=1).sum()) for start in range(0, len(vectors), block)
    )
    if broken:
        raise InputError(
            f"an index needs vectors of finite numbers, but {broken} of {len(vectors)} vectors hold NaN or infinity:"
            " look for them in the model that made them"
        )
    if not 1 <= recipe.cells <= len(vectors):
        raise InputError(
            f"an index needs a vector at least for each of one cell or more, but found {len(vectors)} vectors for"
            f" {recipe.cells} cells: ask for 1 to {len(vectors)} cells"
        )


def _check_code(shape: tuple[int, ...], recipe: Recipe) -> None:
    if recipe.kind != "ivf_pq":
        return
    rows, dimensions = shape
    divisors = [parts for parts in range(1, dimensions + 1) if dimensions % parts == 0]
    if recipe.code_bytes not in divisors:
        raise InputError(
            f"a product quantizer needs code bytes that divide the {dimensions} dimensions of its vectors, but found"
            f" {recipe.code_bytes}: take one of {', '.join(map(str, divisors))}"
        )
    if rows < CODEWORDS:
        raise InputError(
            f"a product quantizer needs {CODEWORDS} vectors or more to learn from, but found {rows}: "
            "take ivf_flat or ivf_sq8 for so few"
        )


def _usable(device: str) -> torch.device:
    """The device of this name, once it has answered."""
    try:
        torch.zeros(1, device=device).item()
    except (AssertionError, RuntimeError) as error:
        raise InputError(
            f"an index is built on a device that torch can use here, but found '{device}', of which it says"
            f" '{str(error).splitlines()[0]}': take cpu, or a torch that was built for that device"
        ) from error
    return torch.device(device)
