"""Models that ours is compared with on public data and that need no more than a few lines of linear algebra.

Each takes a fold and settings and gives a score of every item to some users. The settings that are tried of each stand
at the end, beside those of the public libraries' models, which `benchmarks.quality_peers_run` fits.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise, product
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix, diags, vstack
from scipy.sparse.linalg import svds

from benchmarks.public_data import Fold
from training.data.ids import Ints
from training.evaluation.ranking import Scores

Settings = Mapping[str, Any]
ScoreRows = Callable[[Ints], Scores]
Fit = Callable[[Fold, Settings], ScoreRows]
MOST_DENSE_ITEMS = 10_000
FOREVER, RECENT_DAYS = 1e9, 30.0


@dataclass(frozen=True)
class Peer:
    """A model and the settings that are tried of it; `timed` ones need to know when."""

    name: str
    fit: Fit
    grid: Sequence[Settings]
    timed: bool = False
    dense: bool = False


@dataclass(frozen=True)
class Library:
    """A model of a public library, which is fitted in the peers' own environment."""

    name: str
    model: str
    grid: Sequence[Settings]
    timed: bool = False
    dense: bool = False


def grid(**values: Sequence[Any]) -> list[Settings]:
    """Every combination."""
    return [dict(zip(values, chosen, strict=True)) for chosen in product(*values.values())]


def popularity(fold: Fold, settings: Settings) -> ScoreRows:
    """How many wanted an item in the last `days`; older wants only break ties."""
    counts = _recent(fold, settings["days"])
    tie_breaker = np.bincount(fold.items, minlength=fold.n_items) / (len(fold.items) + 1)
    scores = (counts + tie_breaker).astype(np.float32)
    return lambda rows: np.tile(scores, (len(rows), 1))


def _recent(fold: Fold, days: float) -> np.ndarray:
    return np.bincount(fold.items[fold.ages <= days], minlength=fold.n_items).astype(np.float64)


@lru_cache(maxsize=8)
def _ease_weights(fold: Fold, penalty: float) -> Scores:
    together = np.asarray((fold.matrix.T @ fold.matrix).toarray(), np.float64)
    together[np.diag_indices_from(together)] += penalty
    inverse = np.linalg.inv(together)
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights.astype(np.float32)


def ease(fold: Fold, settings: Settings) -> ScoreRows:
    """Steck, "Embarrassingly Shallow Autoencoders" (2019)."""
    weights = _ease_weights(fold, settings["penalty"])
    return lambda rows: np.asarray(fold.matrix[rows] @ weights, np.float32)


def ease_and_recent(fold: Fold, settings: Settings) -> ScoreRows:
    """EASE beside what was wanted lately, each from 0 to 1, `share` of the latter."""
    by_ease = ease(fold, settings)
    recent = _recent(fold, RECENT_DAYS)
    lifted = (settings["share"] * recent / max(recent.max(), 1.0)).astype(np.float32)

    def score(rows: Ints) -> Scores:
        scores = by_ease(rows)
        least, most = scores.min(axis=1, keepdims=True), scores.max(axis=1, keepdims=True)
        return np.asarray((1 - settings["share"]) * (scores - least) / (most - least) + lifted, np.float32)

    return score


def ease_times_recent(fold: Fold, settings: Settings) -> ScoreRows:
    """EASE, lifted by what was wanted lately to an exponent."""
    by_ease = ease(fold, settings)
    recent = ((1.0 + _recent(fold, RECENT_DAYS)) ** settings["share"]).astype(np.float32)
    return lambda rows: np.asarray(np.maximum(by_ease(rows), 0.0) * recent, np.float32)


def _damped(fold: Fold, of_users: float, of_items: float) -> csr_matrix:
    """The matrix with the degrees of both sides to these exponents."""
    degrees = [np.asarray(fold.matrix.sum(axis=axis)).ravel() for axis in (1, 0)]
    powers = [
        diags(np.maximum(each, 1.0) ** exponent) for each, exponent in zip(degrees, (of_users, of_items), strict=True)
    ]
    return csr_matrix(powers[0] @ fold.matrix @ powers[1]).astype(np.float32)


@lru_cache(maxsize=2)
def _low_pass(fold: Fold, frequencies: int) -> tuple[Scores, np.ndarray]:
    degrees = np.maximum(np.asarray(fold.matrix.sum(axis=0)).ravel(), 1.0)
    damped = _damped(fold, -0.5, -0.5).astype(np.float64)
    first = np.random.default_rng(0).normal(size=min(damped.shape))
    _, values, across = svds(damped, k=frequencies, v0=first)
    return across[np.argsort(-values)].T.astype(np.float32), np.sqrt(degrees).astype(np.float32)


def gf_cf(fold: Fold, settings: Settings) -> ScoreRows:
    """Shen et al., "How Powerful is Graph Convolution for Recommendation?" (2021)."""
    damped = _damped(fold, -0.5, -0.5)
    back, share = csr_matrix(damped.T), np.float32(settings["share"])
    basis, roots = _low_pass(fold, max(KEPT))
    basis = basis[:, : settings["frequencies"]]

    def score(rows: Ints) -> Scores:
        asked = fold.matrix[rows]
        linear = ((asked @ back) @ damped).toarray()
        ideal = (asked @ (basis / roots[:, None])) @ (basis.T * roots)
        return np.asarray(linear + share * ideal, np.float32)

    return score


@lru_cache(maxsize=2)
def _turbo_graph(fold: Fold, alpha: float) -> csr_matrix:
    damped = _damped(fold, -alpha, alpha - 1)
    return csr_matrix(damped.T @ damped)


def turbo_cf(fold: Fold, settings: Settings) -> ScoreRows:
    """Park et al., "Turbo-CF: Matrix Decomposition-Free Graph Filtering" (2024): polynomials of degree 1 to 3."""
    graph = _turbo_graph(fold, settings["alpha"]).copy()
    graph.data **= np.float32(settings["power"])
    dense = fold.n_items <= MOST_DENSE_ITEMS
    filtered = graph.toarray() if dense else graph
    if settings["degree"] == 2:
        filtered = 2 * filtered - filtered @ filtered
    elif settings["degree"] == 3:
        squared = filtered @ filtered
        filtered = filtered + 0.01 * (-squared @ filtered + 10 * squared - 29 * filtered)

    def score(rows: Ints) -> Scores:
        found = fold.matrix[rows] @ filtered
        return np.asarray(found if dense else found.toarray(), np.float32)

    return score


@lru_cache(maxsize=2)
def _walk(fold: Fold, alpha: float, beta: float, neighbours: int) -> csr_matrix:
    there, back = _damped(fold, -1.0, 0.0), _damped(fold, 0.0, -1.0)
    there.data, back.data = there.data**alpha, back.data**alpha
    popular = np.maximum(np.asarray(fold.matrix.sum(axis=0)).ravel(), 1.0) ** -beta
    back, there = csr_matrix(back.T), csr_matrix(there @ diags(popular.astype(np.float32)))
    parts = [_largest(back[start : start + 2_048] @ there, neighbours) for start in range(0, fold.n_items, 2_048)]
    return csr_matrix(vstack(parts))


def _largest(matrix: csr_matrix, count: int) -> csr_matrix:
    """Only the largest entries of each row."""
    kept = [
        start + np.argpartition(-matrix.data[start:end], count - 1)[:count]
        if end - start > count
        else range(start, end)
        for start, end in pairwise(matrix.indptr)
    ]
    chosen = np.concatenate([np.asarray(each, np.int64) for each in kept])
    starts = np.cumsum([0, *(len(each) for each in kept)])
    return csr_matrix((matrix.data[chosen], matrix.indices[chosen], starts), shape=matrix.shape)


def rp3beta(fold: Fold, settings: Settings) -> ScoreRows:
    """Paudel et al., "Updatable, Accurate, Diverse, and Scalable Recommendations" (2017)."""
    ties = _walk(fold, settings["alpha"], settings["beta"], settings["neighbours"])
    return lambda rows: np.asarray((fold.matrix[rows] @ ties).toarray(), np.float32)


PENALTIES = (100.0, 300.0, 1_000.0, 3_000.0, 10_000.0)
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
BLENDED = grid(penalty=PENALTIES[2:], share=SHARES)
KEPT = (32, 64, 128, 256)
"""Lowest frequencies that GF-CF keeps."""
TURBO = grid(alpha=(0.4, 0.5, 0.6, 0.7), power=(0.5, 0.7, 1.0), degree=(1, 2, 3))
CLOSED_FORMS = (
    Peer("popularity, all time", popularity, grid(days=(FOREVER,))),
    Peer("popularity, last 30 days", popularity, grid(days=(RECENT_DAYS,)), timed=True),
    Peer("EASE", ease, grid(penalty=PENALTIES), dense=True),
    Peer("EASE + popularity of 30 days", ease_and_recent, BLENDED, timed=True, dense=True),
    Peer("EASE x popularity of 30 days", ease_times_recent, BLENDED, timed=True, dense=True),
    Peer("GF-CF", gf_cf, grid(frequencies=KEPT, share=(0.0, 0.1, 0.3, 1.0))),
    Peer("Turbo-CF", turbo_cf, TURBO),
    Peer("RP3beta", rp3beta, grid(alpha=(0.6, 0.8, 1.0), beta=(0.0, 0.2, 0.4, 0.6, 0.8), neighbours=(100, 400))),
)
ONE_SASREC = {"n_factors": 64, "n_blocks": 2, "n_heads": 2, "session_max_len": 100, "dropout_rate": 0.2, "lr": 1e-3}
SASREC = [
    {
        **ONE_SASREC,
        "batch_size": 64,
        "loss": "gBCE",
        "n_negatives": 16,
        "gbce_t": 0.75,
        "epochs": [3, 6, 9, 12, 15],
    }
]
"""Asked after each of these epochs, of which validation chooses one."""
LIBRARIES = (
    Library(
        "implicit ALS",
        "als",
        grid(factors=(32, 64, 128), regularization=(0.01, 0.1), alpha=(1.0, 5.0, 20.0), iterations=(15,)),
    ),
    Library(
        "implicit BPR",
        "bpr",
        grid(factors=(64,), regularization=(0.01, 0.05), learning_rate=(0.01, 0.05), iterations=(50,)),
    ),
    Library(
        "implicit item-kNN",
        "item_knn",
        grid(kind=("cosine", "bm25", "tfidf"), neighbours=(20, 50, 100, 200, 400)),
    ),
    Library("RecTools SASRec", "sasrec", SASREC, timed=True),
)
LARGE = {
    "GF-CF": grid(frequencies=(128, 256), share=(0.1, 0.3)),
    "Turbo-CF": grid(alpha=(0.5, 0.6), power=(0.7,), degree=(1,)),
    "RP3beta": grid(alpha=(0.8, 1.0), beta=(0.2, 0.4), neighbours=(200,)),
    "implicit ALS": grid(factors=(64, 128), regularization=(0.01,), alpha=(1.0, 10.0), iterations=(15,)),
    "implicit BPR": (),
    "implicit item-kNN": grid(kind=("cosine", "bm25"), neighbours=(50, 200)),
}
"""What is tried instead where the catalogue is large; of a model that is named with nothing, nothing is."""


def tried_of(peer: Peer | Library, fold: Fold) -> Sequence[Settings]:
    """The settings that are tried of a peer on such a fold; none where it does not suit it."""
    large = fold.n_items > MOST_DENSE_ITEMS
    if (peer.timed and not fold.timed) or (peer.dense and large):
        return ()
    return LARGE.get(peer.name, peer.grid) if large else peer.grid
