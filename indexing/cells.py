"""The cells of vectors that are compared by their products: cones of directions, cut into bands of length.

A query looks first where its product with a cell's centre is highest, and the centre of a cell is its cone's direction,
as long as its vectors usually are. So long vectors, which many queries find, are looked at early, and short ones of the
same direction are not looked at for their sake.
"""

from __future__ import annotations

import faiss
import numpy as np

from indexing.arrays import Floats, Ints

BANDS = (0.5, 0.75)
"""Shares of the vectors that are shorter than each band."""
CELLS_FOR_BANDS = 256
"""With fewer cells directions are worth more than lengths."""
EVEN = 1.01
"""The longest vector by the shortest, up to which all count as of one length."""
ITERATIONS, TRAINED_ON = 10, 64
"""Of Lloyd's algorithm, and vectors for each cone."""


def cells_of(vectors: Floats, count: int, seed: int, *, banded: bool) -> tuple[Floats, Ints]:
    """The centres of at most `count` cells, and the cell of each vector. No cell is empty."""
    lengths = np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64)).astype(np.float32)
    uneven = float(lengths.max()) > EVEN * float(lengths.min())
    edges = np.quantile(lengths, BANDS) if banded and uneven and count >= CELLS_FOR_BANDS else np.zeros(0)
    bands = len(edges) + 1
    band = np.searchsorted(edges, lengths)
    cones, of = _cones(vectors, lengths, max(count // bands, 1), seed)
    usual = np.bincount(band, lengths, bands) / np.maximum(np.bincount(band, minlength=bands), 1)
    centres = (cones[:, None, :] * usual[None, :, None]).reshape(-1, vectors.shape[1])
    filled, own = np.unique(of * bands + band, return_inverse=True)
    return np.ascontiguousarray(centres[filled], np.float32), own.astype(np.int64)


def _cones(vectors: Floats, lengths: Floats, count: int, seed: int) -> tuple[Floats, Ints]:
    """Directions that vectors lie around, and the one that each lies nearest to."""
    directions = vectors / np.maximum(lengths, 1e-30)[:, None]
    means = faiss.Kmeans(
        vectors.shape[1],
        count,
        niter=ITERATIONS,
        spherical=True,
        seed=seed & 0x7FFF_FFFF,
        min_points_per_centroid=1,
        max_points_per_centroid=TRAINED_ON,
    )
    means.train(directions)
    cones = faiss.IndexFlatIP(vectors.shape[1])
    cones.add(means.centroids)
    return means.centroids, cones.search(directions, 1)[1][:, 0]
