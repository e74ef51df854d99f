"""The teacher in closed form: what is liked together, filtered over the graph of users and items, with time in it.

Three filters are mixed, each a matrix of items by items that a history is multiplied with. `walk` is the two-step walk
from item to user to item, damped by degrees (P3, RP3β; the linear part of GF-CF). `smooth` keeps only the graph's
lowest frequencies (the ideal low-pass of GF-CF). `ridge` solves for the weights that rebuild each history from the rest
of it (EASE). Time enters three times: old wants count less where items are tied to items, less again in the history
that is asked with, and what is wanted more than it used to be is lifted. Nothing is trained by steps; it takes seconds.

After Shen et al., "How Powerful is Graph Convolution for Recommendation?" (2021), Steck, "Embarrassingly Shallow
Autoencoders" (2019) and Paudel et al., "Updatable, Accurate, Diverse, and Scalable Recommendations" (2017).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field
from scipy.sparse import csr_matrix, diags
from scipy.sparse.linalg import LinearOperator, eigsh

from training.data.histories import Histories
from training.data.wants import Floats

Matrix = npt.NDArray[np.float32]
Wide = npt.NDArray[np.float64]
MOST_DENSE_ITEMS = 10_000
"""Above so many items no whole matrix of items by items is made: the walk keeps neighbours, and there is no ridge."""
SMALL = 64
"""Up to so many users or items a matrix is decomposed whole."""
TREND_PRIOR = 0.1
"""What every item is given in its trend, in units of the mean item's recent wants."""


class FilterSettings(BaseModel):
    """What shapes the filter; a search chooses them by what users then wanted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    walk: float = Field(0.5, ge=0, description="how much the two-step walk counts")
    smooth: float = Field(0.5, ge=0, description="how much the lowest frequencies count")
    ridge: float = Field(0.5, ge=0, description="how much the ridge regression counts")
    user_damping: float = Field(0.75, ge=0, le=1, description="exponent by which users of many wants count less")
    item_damping: float = Field(0.5, ge=0, le=1, description="exponent by which what many want counts less")
    frequencies: int = Field(64, ge=1, description="lowest frequencies that `smooth` keeps")
    slope: float = Field(0.0, ge=0, le=2, description="how much less `smooth` keeps of higher ones; 0 keeps all alike")
    penalty: float = Field(0.05, gt=0, description="penalty of the ridge regression, of the strongest frequency")
    value: float = Field(0.0, ge=0, le=1, description="how much more a want of more weight counts")
    tie_half_life_days: float = Field(30.0, gt=0, description="days after which a want ties items half as much")
    query_half_life_days: float = Field(30.0, gt=0, description="days after which a want asks half as much")
    recent_first: float = Field(
        0.0, ge=0, le=2, description="exponent by which the places of a history, last first, count less"
    )
    trend: float = Field(1.0, ge=0, description="exponent of an item's trend")
    trend_share: float = Field(0.2, gt=0, le=1, description="share of all wants since when one counts half in a trend")
    neighbours: int = Field(200, ge=1, description="items kept beside each, where there are too many for all")


@dataclass(frozen=True)
class LowRank:
    """A matrix of items by items as the product of two narrow ones."""

    before: Matrix
    after: Matrix


Part: TypeAlias = Matrix | csr_matrix | LowRank


@dataclass(frozen=True)
class GraphFilter:
    """A fitted filter: its `parts`, each from items of a history to items, and how much each item is `lifted` by its
    trend."""

    settings: FilterSettings
    parts: dict[str, Part]
    lifted: Floats

    @property
    def n_items(self) -> int:
        return len(self.lifted)

    def scores(self, histories: Histories) -> Matrix:
        """For each history a score for every item; each part in units of what it gives the history on average."""
        asked = histories.matrix(valued(histories, self.settings, self.settings.query_half_life_days))
        rows = np.repeat(np.arange(len(histories)), histories.sizes)
        total = np.zeros((len(histories), self.n_items), np.float32)
        for name, part in self.parts.items():
            given = np.maximum(_asked(asked, part), 0.0)
            known = given[rows, histories.items]
            given[rows, histories.items] = 0.0
            means = given.mean(axis=1, keepdims=True)
            given[rows, histories.items] = known
            total += np.float32(getattr(self.settings, name)) * given / np.maximum(means, 1e-12)
        return np.asarray(total * self.lifted, np.float32)

    def factors(self, dimensions: int) -> tuple[Matrix, Matrix]:
        """Vectors for items that are remembered and for items that are scored, whose products come near to the filter:
        what a student starts from."""
        left, values, right = leading(self._whole(), min(dimensions, self.n_items - 1))
        root = np.sqrt(values / max(float(values.max(initial=0.0)), 1e-12))
        vectors = np.zeros((2, self.n_items, dimensions), np.float32)
        vectors[0, :, : len(root)], vectors[1, :, : len(root)] = left * root, right * root
        return vectors[0] * STARTING_LENGTH, vectors[1] * STARTING_LENGTH

    def _whole(self) -> Matrix | csr_matrix:
        """All parts as one matrix; of a catalogue too large for that the walk, or what stands for it."""
        if self.n_items > MOST_DENSE_ITEMS:
            walk = self.parts.get("walk")
            return csr_matrix(walk @ diags(self.lifted)) if isinstance(walk, csr_matrix) else self._sketch()
        total = np.zeros((self.n_items, self.n_items), np.float32)
        for name, part in self.parts.items():
            whole = part.before @ part.after.T if isinstance(part, LowRank) else part
            dense = whole.toarray() if isinstance(whole, csr_matrix) else whole
            total += dense * np.float32(getattr(self.settings, name) / max(float(np.maximum(dense, 0.0).mean()), 1e-12))
        return total * self.lifted

    def _sketch(self) -> csr_matrix:
        """The strongest ties of the smooth part."""
        smooth = self.parts["smooth"]
        assert isinstance(smooth, LowRank)
        return nearest(smooth.before, (smooth.after * self.lifted[:, None]).T, self.settings.neighbours)


STARTING_LENGTH = 8.0


def _asked(asked: csr_matrix, part: Part) -> Matrix:
    if isinstance(part, LowRank):
        return np.asarray((asked @ part.before) @ part.after.T, np.float32)
    found = asked @ part
    return found.toarray() if isinstance(found, csr_matrix) else np.asarray(found, np.float32)


def valued(histories: Histories, settings: FilterSettings, half_life_days: float) -> Floats:
    """What each entry of a history counts: less with age, more where it weighs more than the history's others."""
    faded = 0.5 ** (histories.ages / half_life_days)
    if settings.value:
        logs, users = np.log1p(histories.weights), np.repeat(np.arange(len(histories)), histories.sizes)
        usual = np.bincount(users, logs, len(histories)) / np.maximum(histories.sizes, 1)
        faded = faded * np.maximum(1 + settings.value * (logs - usual[users]), 0.0)
    if settings.recent_first:
        faded = faded * (1.0 + _places(histories)) ** -settings.recent_first
    return faded.astype(np.float32)


def _places(histories: Histories) -> Floats:
    """The place of each entry in its history, the last want at 0."""
    rows = np.repeat(np.arange(len(histories)), histories.sizes)
    order = np.lexsort((histories.items, histories.ages, rows))
    places = np.empty(len(order), np.float32)
    places[order] = np.arange(len(order)) - np.repeat(histories.starts[:-1], histories.sizes)
    return places


def fit_filter(histories: Histories, settings: FilterSettings) -> GraphFilter:
    """The filter of these histories."""
    if histories.n_items > MOST_DENSE_ITEMS:
        settings = settings.model_copy(update={"ridge": 0.0, "smooth": settings.smooth or settings.ridge})
    counts = histories.matrix((0.5 ** (histories.ages / settings.tie_half_life_days)).astype(np.float32))
    users, items = (np.asarray(counts.sum(axis=axis)).ravel() for axis in (1, 0))
    damped = csr_matrix(_power(users, -settings.user_damping) @ counts @ _power(items, -settings.item_damping))
    parts: dict[str, Part] = {}
    if settings.walk:
        parts["walk"] = _walk(damped, settings)
    if settings.smooth:
        parts["smooth"] = _smooth(damped, items, settings)
    if settings.ridge:
        parts["ridge"] = _ridge(counts, settings)
    return GraphFilter(settings, parts, _lifted(histories, settings))


def _power(degrees: Floats, exponent: float) -> csr_matrix:
    return diags(np.where(degrees > 0, np.maximum(degrees, 1e-9) ** exponent, 0.0).astype(np.float32))


def _walk(damped: csr_matrix, settings: FilterSettings) -> Matrix | csr_matrix:
    if damped.shape[1] <= MOST_DENSE_ITEMS:
        return np.asarray((damped.T @ damped).toarray(), np.float32)
    return nearest(csr_matrix(damped.T), damped, settings.neighbours)


def nearest(left: Matrix | csr_matrix, right: Matrix | csr_matrix, neighbours: int, block: int = 2_048) -> csr_matrix:
    """Of the product of two matrices, in each row only the largest entries."""
    rows, columns, values = [], [], []
    for start in range(0, left.shape[0], block):
        found = left[start : start + block] @ right
        part = np.asarray(found.toarray() if isinstance(found, csr_matrix) else found, np.float32)
        most = min(neighbours, part.shape[1])
        chosen = np.sort(np.argpartition(-part, most - 1, axis=1)[:, :most], axis=1)
        found = np.take_along_axis(part, chosen, axis=1)
        kept = found > 0
        rows.append(np.repeat(np.arange(start, start + len(part)), kept.sum(axis=1)))
        columns.append(chosen[kept])
        values.append(found[kept])
    place = (np.concatenate(rows), np.concatenate(columns))
    return csr_matrix((np.concatenate(values), place), shape=(left.shape[0], right.shape[1]))


def _smooth(damped: csr_matrix, items: Floats, settings: FilterSettings) -> LowRank:
    """The low-pass, between the degrees of the item asked from and of the item scored."""
    _, values, basis = leading(damped, min(settings.frequencies, min(damped.shape) - 1))
    kept = (values / max(float(values.max(initial=0.0)), 1e-12)) ** (settings.slope / 2)
    before, after = _power(items, -settings.item_damping), _power(items, settings.item_damping)
    return LowRank(*(np.asarray(side @ (basis * kept), np.float32) for side in (before, after)))


def _ridge(counts: csr_matrix, settings: FilterSettings) -> Matrix:
    together = np.asarray((counts.T @ counts).toarray(), np.float64)
    strongest = float(np.abs(together).sum(axis=1).max())
    together[np.diag_indices_from(together)] += settings.penalty * max(_strongest(counts), 1e-6 * strongest, 1e-9)
    inverse = np.linalg.inv(together)
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights.astype(np.float32)


def _strongest(counts: csr_matrix) -> float:
    """The largest eigenvalue of what is wanted together, by powers."""
    vector = np.ones(counts.shape[1]) / max(counts.shape[1], 1) ** 0.5
    for _ in range(30):
        vector = counts.T @ (counts @ vector)
        length = float(np.linalg.norm(vector))
        vector = vector / max(length, 1e-12)
    return length


def leading(matrix: Matrix | csr_matrix, count: int) -> tuple[Matrix, Floats, Matrix]:
    """The strongest singular vectors, strongest first, with their signs settled; fewer than `count` where there are no
    more of any strength."""
    exact = matrix.astype(np.float64)
    small = min(matrix.shape) <= SMALL or (isinstance(matrix, np.ndarray) and len(matrix) <= 2_000)
    left, values, right = _decomposed(exact, count) if small else _by_powers(exact, count)
    kept = values > 1e-6 * values.max(initial=0.0)
    left, values, right = left[:, kept], values[kept], right[:, kept]
    signs = np.sign(right[np.argmax(np.abs(right), axis=0), np.arange(len(values))])
    return (left * signs).astype(np.float32), values.astype(np.float32), (right * signs).astype(np.float32)


def _decomposed(matrix: Wide | csr_matrix, count: int) -> tuple[Wide, Wide, Wide]:
    whole = matrix.toarray() if isinstance(matrix, csr_matrix) else matrix
    left, values, across = np.linalg.svd(whole, full_matrices=False)
    return left[:, :count], values[:count], across[:count].T


def _by_powers(matrix: Wide | csr_matrix, count: int) -> tuple[Wide, Wide, Wide]:
    """The same by ARPACK, as `scipy.sparse.linalg.svds` does it; but what it draws, where it has to begin again, it
    draws by a seed."""
    if not abs(matrix).max():
        return np.zeros((matrix.shape[0], 0)), np.zeros(0), np.zeros((matrix.shape[1], 0))
    turned = matrix.shape[0] < matrix.shape[1]
    tall = matrix.T if turned else matrix
    draw, size = np.random.default_rng(0), tall.shape[1]
    gram = LinearOperator((size, size), matvec=lambda vector: tall.T @ (tall @ vector), dtype=np.float64)
    _, vectors = eigsh(gram, k=count, v0=draw.standard_normal(size), rng=draw)
    basis = np.linalg.qr(vectors)[0]
    left, values, across = np.linalg.svd(tall @ basis, full_matrices=False)
    right = basis @ across.T
    return (right, values, left) if turned else (left, values, right)


def _lifted(histories: Histories, settings: FilterSettings) -> Floats:
    """An item's recent share of all wants over its usual one, drawn towards 1 where there are few, to the exponent.

    What is recent is told by how many wants came since, not by days: busy times and quiet ones are alike then.
    """
    if not settings.trend or not len(histories.items):
        return np.ones(histories.n_items, np.float32)
    since = np.searchsorted(np.sort(histories.ages), histories.ages) / len(histories.ages)
    recent = np.bincount(histories.items, 0.5 ** (since / settings.trend_share), histories.n_items)
    usual = np.bincount(histories.items, minlength=histories.n_items).astype(np.float64)
    expected = usual * recent.sum() / usual.sum()
    prior = TREND_PRIOR * recent.sum() / histories.n_items
    return (((recent + prior) / (expected + prior)) ** settings.trend).astype(np.float32)
