"""The teacher in closed form: what is liked together, filtered over the graph of users and items, with time in it.

Three filters are mixed, each a matrix of items by items that a history is multiplied with. `walk` is the two-step walk
from item to user to item, damped by degrees (P3, RP3β; the linear part of GF-CF). `smooth` keeps only the graph's
lowest frequencies (the ideal low-pass of GF-CF), and beyond them as much of the walk as is wanted. `ridge` solves for
the weights that rebuild each history from the rest of it (EASE). Time enters three times: old wants count less where
items are tied to items, less again in the history that is asked with, and what is wanted more than it used to be is
lifted. Nothing is trained by steps; it takes seconds.

After Shen et al., "How Powerful is Graph Convolution for Recommendation?" (2021), Steck, "Embarrassingly Shallow
Autoencoders" (2019) and Paudel et al., "Updatable, Accurate, Diverse, and Scalable Recommendations" (2017).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from pydantic import BaseModel, ConfigDict, Field
from scipy.sparse import csr_matrix, diags

from training.data.histories import Histories
from training.data.wants import Floats
from training.models.filter_parts import Completed, LowRank, Part, given_by, nearest, whole
from training.models.spectrum import Matrix, leading

MOST_DENSE_ITEMS = 10_000
"""Above so many items no whole matrix of items by items is made: the low-pass does the work of all parts."""
WEAKEST_KEPT = 0.01
"""Where anything goes on beyond what is kept, what is weaker than this share of the strongest frequency is not kept: to
begin as strong as that, the walk would have to be so strong that all else drowned in its rounding."""
TREND_PRIOR = 0.1
"""What every item is given in its trend, in units of the mean item's recent wants."""
FOR_GOOD = 3_650.0
"""A half-life in days after which next to nothing is forgotten."""


class FilterSettings(BaseModel):
    """What shapes the filter; a search chooses them by what users then wanted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    walk: float = Field(0.5, ge=0, description="how much the two-step walk counts")
    smooth: float = Field(0.0, ge=0, description="how much the lowest frequencies count")
    trained: float = Field(0.0, ge=0, description="how much the trained vectors count, where there are any")
    ridge: float = Field(0.5, ge=0, description="how much the ridge regression counts")
    user_damping: float = Field(0.75, ge=0, le=1, description="exponent by which users of many wants count less")
    item_damping: float = Field(0.5, ge=0, le=1, description="exponent by which what many want counts less")
    frequencies: int = Field(256, ge=1, description="lowest frequencies that `smooth` keeps")
    slope: float = Field(0.5, ge=0, le=2, description="how much less `smooth` keeps of higher ones; 0 keeps all alike")
    beyond: float = Field(0.5, ge=0, le=1, description="how much of the frequencies beyond those `smooth` keeps")
    penalty: float = Field(0.05, gt=0, description="penalty of the ridge regression, of the strongest frequency")
    value: float = Field(0.5, ge=0, le=2, description="how much more a want of more weight counts")
    tie_half_life_days: float = Field(FOR_GOOD, gt=0, description="days after which a want ties items half as much")
    query_half_life_days: float = Field(30.0, gt=0, description="days after which a want asks half as much")
    recent_first: float = Field(
        0.0, ge=0, le=2, description="exponent by which the places of a history, last first, count less"
    )
    trend: float = Field(1.0, ge=0, description="exponent of an item's trend")
    trend_share: float = Field(0.2, gt=0, le=1, description="share of all wants since when one counts half in a trend")
    neighbours: int = Field(200, ge=1, description="items beside each that a student starts from, of too many for all")

    def for_catalogue(self, n_items: int) -> FilterSettings:
        """The same where there are so many items: of too many for a matrix of items by items the low-pass, which has
        the walk beyond it, does the work of all. What shapes parts that do not count is left as it is by itself, so
        that settings that make the same filter are the same settings."""
        told = self.model_dump()
        if n_items > MOST_DENSE_ITEMS:
            told |= {"ridge": 0.0, "walk": 0.0, "smooth": 1.0}
        idle = [name for part, names in SHAPED.items() if not told[part] for name in names]
        return FilterSettings(**{name: value for name, value in told.items() if name not in idle})


SHAPED = {
    "smooth": ("frequencies", "slope", "beyond"),
    "ridge": ("penalty",),
    "trend": ("trend_share",),
}
"""What shapes each part and nothing else."""


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
        asked = histories.matrix(asking(histories, self.settings))
        rows = np.repeat(np.arange(len(histories)), histories.sizes)
        total = np.zeros((len(histories), self.n_items), np.float32)
        for name, part in self.parts.items():
            given = np.maximum(given_by(part, asked), 0.0)
            known = given[rows, histories.items]
            given[rows, histories.items] = 0.0
            means = given.mean(axis=1, keepdims=True)
            given[rows, histories.items] = known
            total += np.float32(getattr(self.settings, name)) * given / np.maximum(means, 1e-12)
        return np.asarray(total * self.lifted, np.float32)

    def with_trained(self, part: Part) -> GraphFilter:
        """The same, with a part that was taught in the place of the low-pass, from which it began."""
        settings = self.settings.model_copy(update={"trained": self.settings.smooth, "smooth": 0.0})
        parts = {name: own for name, own in self.parts.items() if name != "smooth"}
        return GraphFilter(settings, {**parts, "trained": part}, self.lifted)

    def factors(self, dimensions: int) -> tuple[Matrix, Matrix]:
        """Vectors for items that are remembered and for items that are scored, whose products come near to the filter:
        what a student starts from."""
        left, values, right = leading(self._whole(), min(dimensions, self.n_items - 1))
        root = np.sqrt(values / max(float(values.max(initial=0.0)), 1e-12))
        vectors = np.zeros((2, self.n_items, dimensions), np.float32)
        vectors[0, :, : len(root)], vectors[1, :, : len(root)] = left * root, right * root
        return vectors[0] * STARTING_LENGTH, vectors[1] * STARTING_LENGTH

    def _whole(self) -> Matrix | csr_matrix:
        """All parts as one matrix; of a catalogue too large for that the strongest ties of what stands for all."""
        if self.n_items > MOST_DENSE_ITEMS:
            part = next(self.parts[name] for name in ("trained", "smooth", "walk") if name in self.parts)
            return nearest(part, self.lifted, self.settings.neighbours)
        total = np.zeros((self.n_items, self.n_items), np.float32)
        for name, part in self.parts.items():
            dense = whole(part)
            total += dense * np.float32(getattr(self.settings, name) / max(float(np.maximum(dense, 0.0).mean()), 1e-12))
        return total * self.lifted


STARTING_LENGTH = 8.0


def asking(histories: Histories, settings: FilterSettings) -> Floats:
    """How much each entry of a history asks."""
    strengths = histories.strengths(settings.query_half_life_days, settings.value)
    if settings.recent_first:
        strengths *= ((1.0 + _places(histories)) ** -settings.recent_first).astype(np.float32)
    return strengths


def _places(histories: Histories) -> Floats:
    """The place of each entry in its history, the last want at 0."""
    rows = np.repeat(np.arange(len(histories)), histories.sizes)
    order = np.lexsort((histories.items, histories.ages, rows))
    places = np.empty(len(order), np.float32)
    places[order] = np.arange(len(order)) - np.repeat(histories.starts[:-1], histories.sizes)
    return places


def fit_filter(histories: Histories, settings: FilterSettings) -> GraphFilter:
    """The filter of these histories."""
    settings = settings.for_catalogue(histories.n_items)
    counts = histories.matrix((0.5 ** (histories.ages / settings.tie_half_life_days)).astype(np.float32))
    users, items = (np.asarray(counts.sum(axis=axis)).ravel() for axis in (1, 0))
    damped = csr_matrix(_power(users, -settings.user_damping) @ counts @ _power(items, -settings.item_damping))
    parts: dict[str, Part] = {}
    if settings.walk:
        parts["walk"] = np.asarray((damped.T @ damped).toarray(), np.float32)
    if settings.smooth:
        parts["smooth"] = _smooth(damped, items, settings)
    if settings.ridge:
        parts["ridge"] = _ridge(counts, settings)
    return GraphFilter(settings, parts, _lifted(histories, settings))


def _power(degrees: Floats, exponent: float) -> csr_matrix:
    return diags(np.where(degrees > 0, np.maximum(degrees, 1e-9) ** exponent, 0.0).astype(np.float32))


def _smooth(damped: csr_matrix, items: Floats, settings: FilterSettings) -> LowRank | Completed:
    """The low-pass, between the degrees of the item asked from and of the item scored. What goes on beyond its last
    frequency takes the two-step walk's shape, at the strength that the last one has."""
    asked = max(min(settings.frequencies, min(damped.shape) - 1), 0)
    _, values, basis = leading(damped, asked)
    strongest = max(float(values.max(initial=0.0)), 1e-12)
    values, every = values / strongest, len(values) < asked
    if settings.beyond and values.min(initial=1.0) < WEAKEST_KEPT:
        values, every = values[values >= WEAKEST_KEPT], False
        basis = basis[:, : len(values)]
    kept = values**settings.slope
    beyond = settings.beyond * float(kept[-1] / values[-1] ** 2) if len(values) and not every else 0.0
    gains = kept - np.float32(beyond) * values**2
    entering, leaving = (
        _power(items, exponent).diagonal().astype(np.float32)
        for exponent in (-settings.item_damping, settings.item_damping)
    )
    roots = np.sqrt(np.abs(gains))
    low = LowRank(entering[:, None] * (basis * roots), leaving[:, None] * (basis * roots * np.sign(gains)))
    if not settings.beyond:
        return low
    ties = csr_matrix(damped / np.float32(strongest), dtype=np.float32)
    return Completed(low, ties, entering, leaving, beyond)


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
