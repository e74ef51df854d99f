"""The closed-form teacher as a model of the registry: its settings chosen by what users then wanted, its bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from daybreak.errors import ModelError
from daybreak.learning import Model
from training.data.histories import Histories, of_items
from training.data.ids import IdMap, Ints
from training.evaluation.ranking import Floats, Scores, Sets
from training.evaluation.top_k import top_k
from training.models.filter_parts import arrays_of, part_of
from training.models.graph_filter import FOR_GOOD, FilterSettings, GraphFilter, fit_filter
from training.registry.bundle import Bundle, write_bundle
from training.retrieval import NEVER, HeldOut, NightView, judge_retriever

SEARCH: tuple[tuple[str, tuple[float, ...]], ...] = (
    ("trend", (0.0, 0.5)),
    ("value", (0.0, 1.0, 2.0)),
    ("query_half_life_days", (10.0, 90.0, FOR_GOOD)),
    ("ridge", (0.0, 1.0)),
    ("walk", (0.0, 1.0)),
    ("smooth", (0.5,)),
    ("trend_share", (0.1, 0.4)),
    ("frequencies", (64, 128, 512)),
    ("slope", (0.0, 1.0)),
    ("beyond", (0.0, 1.0)),
    ("recent_first", (0.25, 0.5)),
    ("penalty", (0.02, 0.1)),
    ("user_damping", (0.5, 1.0)),
)
"""What the search tries, one setting after another: each alone, with the best found so far of the others. How fast ties
fade is not among it: what a few days make of it the next days do not keep."""
PREDICTED = 20
LEAST = np.float32(1e-2)
"""What is added to a score before its logarithm is taken; the mean score is about 1."""
ROUNDING = np.float32(1e-5)
"""A score of no more than this is what rounding has left of nothing."""
PARTS = ("walk", "smooth", "ridge", "trained")
START = FilterSettings()


@dataclass(frozen=True)
class FilterModel:
    """A filter and the items of its rows."""

    graph_filter: GraphFilter
    items: IdMap

    def at(self, view: NightView) -> FilterScorer:
        return FilterScorer(self, view)

    def reached(self, histories: Histories) -> Scores:
        """Its scores; what no way leads to from a history is never listed, rather than in the order of its rows."""
        scores = self.graph_filter.scores(histories)
        return np.where(scores > ROUNDING, scores, NEVER)

    def logits(self, histories: Histories) -> Scores:
        """What it gives users of these histories, whose items are its own rows, on the scale of logarithms."""
        return np.log(self.graph_filter.scores(histories) + LEAST)

    def factors(self, dimensions: int) -> tuple[Scores, Scores]:
        """Vectors for a student to start from."""
        return self.graph_filter.factors(dimensions)

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """For each `history`, the ids of items that were just wanted, separated by spaces, what to list next."""
        asked = [self.items.rows(pa.array(text.split(), pa.string())) for text in frame["history"]]
        known = [np.unique(rows[rows >= 0]) for rows in asked]
        starts = np.r_[0, np.cumsum([len(rows) for rows in known])]
        items = np.concatenate(known) if known else np.zeros(0, np.int64)
        ones = np.ones(len(items), np.float32)
        scores = self.reached(Histories(starts, items, ones, ones * 0, len(self.items)))
        lists = top_k(scores, Sets(starts, items), PREDICTED)
        listed = [" ".join(self.items.of(row[row >= 0]).to_pylist()) for row in lists]
        return pd.DataFrame({"items": listed})

    def example(self) -> pd.DataFrame:
        """Some rows as `predict` takes them."""
        return pd.DataFrame({"history": [" ".join(self.items.ids.slice(start, 2).to_pylist()) for start in range(3)]})

    def write(self, folder: Path, model: Model, facts: Mapping[str, Any], built_from: Mapping[str, Any]) -> Bundle:
        """The model as a bundle."""
        arrays = {"lifted": self.graph_filter.lifted, "items": np.array(self.items.ids.to_pylist(), dtype=np.str_)}
        for name, part in self.graph_filter.parts.items():
            arrays |= arrays_of(name, part)
        config = self.graph_filter.settings.model_dump(mode="json")
        facts = {**facts, "items_digest": self.items.digest}
        return write_bundle(folder, model, config, facts, arrays, {}, built_from)


def read(bundle: Bundle) -> FilterModel:
    """The model of a bundle."""
    items = IdMap(bundle.array("items").tolist())
    if items.digest != bundle.facts["items_digest"]:
        raise ModelError(f"the ids of the model in {bundle.folder} are not those it was trained with; train it anew")
    arrays = {name: bundle.array(name) for name in bundle.arrays}
    held = {name.partition("_")[0] for name in arrays}
    parts = {name: part_of(name, arrays, len(items)) for name in PARTS if name in held}
    return FilterModel(GraphFilter(FilterSettings(**bundle.config), parts, arrays["lifted"]), items)


class FilterScorer:
    """A filter at the end of a night."""

    def __init__(self, model: FilterModel, view: NightView) -> None:
        self._model = model
        self._rows = view.items.rows_of(model.items, "the teacher")
        self._view = view

    def for_users(self, rows: Ints) -> Scores:
        return self._scored(self._view.histories.of_rows(rows))

    def for_items(self, rows: Ints) -> Scores:
        return self._scored(of_items(len(self._view.items)).of_rows(rows))

    def _scored(self, histories: Histories) -> Scores:
        """The filter's scores, at the places that its items have on this night."""
        known = self._rows >= 0
        found = np.full((len(histories), len(self._view.items)), NEVER, np.float32)
        found[:, self._rows[known]] = self._model.reached(renumbered(histories, self._rows))[:, known]
        return found


def renumbered(histories: Histories, rows: Ints) -> Histories:
    """The same histories over a model's items, whose places here `rows` tells; what it does not know is left out."""
    place_of = np.full(histories.n_items, -1)
    place_of[rows[rows >= 0]] = np.flatnonzero(rows >= 0)
    items = place_of[histories.items]
    kept = items >= 0
    starts = np.r_[0, np.cumsum(kept)][histories.starts]
    order = np.lexsort((items[kept], np.repeat(np.arange(len(histories)), np.diff(starts))))
    return Histories(starts, items[kept][order], histories.weights[kept][order], histories.ages[kept][order], len(rows))


def fitted(view: NightView, settings: FilterSettings) -> FilterModel:
    """The filter of all that a night knew."""
    return FilterModel(fit_filter(view.histories, settings), view.items)


def choose(test: HeldOut, start: FilterSettings, trials: int, search: Sequence[tuple[str, Sequence[float]]]) -> Choice:
    """The settings that rank best what users wanted after the night, one setting after another, within so many trials.

    A setting is moved only where users gain by more than chance would let them: by more than the standard error of the
    mean gain. A step that a few days make look good by a hair is a step that the next days take back.
    """
    measured: dict[FilterSettings, Floats] = {}

    def measure(settings: FilterSettings) -> Floats | None:
        if settings not in measured and len(measured) < trials and settings.walk + settings.smooth + settings.ridge:
            scorer = fitted(test.view, settings).at(test.view)
            measured[settings] = judge_retriever(scorer, test, (20,)).metrics["ndcg_at_20"]
        return measured.get(settings)

    n_items = len(test.view.items)
    best = start.for_catalogue(n_items)
    standard = measure(best)
    assert standard is not None
    for name, values in search:
        tried = [FilterSettings(**{**best.model_dump(), name: value}).for_catalogue(n_items) for value in values]
        tried = [settings for settings in tried if settings != best]
        found = [(settings, ranked) for settings in tried if (ranked := measure(settings)) is not None]
        settings, ranked = max(found, key=lambda one: float(one[1].mean()), default=(best, standard))
        if gains(ranked - standard):
            best, standard = settings, ranked
    return Choice(best, tuple((settings, float(ranked.mean())) for settings, ranked in measured.items()))


def gains(differences: Floats) -> bool:
    """Whether the mean of these is above 0 by more than its standard error."""
    return float(differences.mean()) > float(differences.std()) / max(len(differences), 1) ** 0.5


@dataclass(frozen=True)
class Choice:
    """The settings that were found best, and what each that was tried measured."""

    settings: FilterSettings
    tried: tuple[tuple[FilterSettings, float], ...]
