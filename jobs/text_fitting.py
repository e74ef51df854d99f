"""Fits the basis of text vectors: TF-IDF over a sample of texts, and the directions in which it varies most.

A later fit is rotated onto the earlier one by the words both know, so that vectors of the two can be compared.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import chain

import numpy as np
import pyarrow as pa
from scipy import sparse

from jobs.text_vectors import DIGITS, Basis, Floats, weighted_words, words_of

SPARE_DIRECTIONS = 10
ROUNDS = 7


def fit(
    texts: Sequence[str], night: str, dimensions: int, most_terms: int, least_items: int, seed: int
) -> Basis | None:
    """A basis of the words that at least so many of the texts say, the most usual ones; None where there is none."""
    words = [words_of(text) for text in texts]
    said_by = Counter(chain.from_iterable(set(of_text) for of_text in words))
    usual = sorted((-count, term) for term, count in said_by.items() if count >= least_items)[:most_terms]
    if not usual:
        return None
    terms = sorted(term for _, term in usual)
    known_by = np.array([said_by[term] for term in terms])
    idf = np.round(np.log((1 + len(texts)) / (1 + known_by)) + 1, 9)
    number, place, weight = weighted_words(words, {term: place for place, term in enumerate(terms)}, idf)
    weight /= np.sqrt(np.bincount(number, weight**2, len(texts)))[number]
    rows = sparse.csr_matrix((weight, (number, place)), shape=(len(texts), len(terms)))
    directions = np.zeros((len(terms), dimensions))
    found = principal_directions(rows, dimensions, seed)
    directions[:, : found.shape[1]] = found
    return _basis(night, terms, idf, directions)


def principal_directions(rows: sparse.csr_matrix, dimensions: int, seed: int) -> Floats:
    """The right singular vectors of the largest singular values, as columns, by a randomized SVD.

    Each points to where its largest value is positive.
    """
    wanted = min(dimensions + SPARE_DIRECTIONS, *rows.shape)
    span = rows @ np.random.default_rng(seed).standard_normal((rows.shape[1], wanted))
    for _ in range(ROUNDS):
        span = np.linalg.qr(span).Q
        span = rows @ np.linalg.qr(rows.T @ span).Q
    within = rows.T @ np.linalg.qr(span).Q
    directions = np.linalg.svd(within, full_matrices=False).U[:, :dimensions]
    largest = np.take_along_axis(directions, np.abs(directions).argmax(axis=0, keepdims=True), axis=0)
    return directions * np.sign(largest)


def rotated_onto(new: Basis, old: Basis) -> Basis:
    """The new basis, turned so that the words both know point where they pointed: orthogonal Procrustes."""
    shared = sorted(new.places.keys() & old.places.keys())
    of_new = new.directions[[new.places[term] for term in shared]].astype(np.float64)
    of_old = old.directions[[old.places[term] for term in shared]].astype(np.float64)
    turn = np.linalg.svd(of_new.T @ of_old)
    return _basis(new.night, new.terms, new.idf, new.directions @ (turn.U @ turn.Vh))


def rows_of(basis: Basis) -> pa.Table:
    """The basis as it is stored."""
    directions = pa.FixedSizeListArray.from_arrays(pa.array(basis.directions.ravel()), basis.dimensions)
    return pa.table({"term": list(basis.terms), "idf": basis.idf, "direction": directions.cast(pa.list_(pa.float32()))})


def basis_from(rows: pa.Table, night: str) -> Basis:
    """The basis that a night stored."""
    rows = rows.sort_by("term").combine_chunks()
    directions = rows["direction"].combine_chunks().flatten().to_numpy().reshape(rows.num_rows, -1)
    return Basis(night, tuple(rows["term"].to_pylist()), rows["idf"].to_numpy(), directions)


def _basis(night: str, terms: Sequence[str], idf: Floats, directions: Floats) -> Basis:
    """With directions as they are stored, so that the night that fits one sees what later nights see."""
    return Basis(night, tuple(terms), idf, np.round(directions, DIGITS).astype(np.float32))
