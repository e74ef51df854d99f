"""The closed-form teacher as a model of the registry: its settings chosen by what users then wanted, its bundle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import torch
from scipy.sparse import csr_matrix

from daybreak.errors import ModelError
from daybreak.learning import Model
from training.data.histories import Histories, of_items
from training.data.ids import IdMap, Ints
from training.evaluation.ranking import Sets, top_k
from training.models.graph_filter import FilterSettings, GraphFilter, LowRank, Part, fit_filter
from training.registry.bundle import Bundle, write_bundle
from training.retrieval import NEVER, HeldOut, NightView, Scores, judge_retriever

SEARCH: tuple[tuple[str, tuple[float, ...]], ...] = (
    ("trend", (0.0, 0.5)),
    ("smooth", (0.0, 1.0)),
    ("ridge", (0.0, 1.0)),
    ("walk", (0.0, 1.0)),
    ("query_half_life_days", (10.0, 365.0)),
    ("tie_half_life_days", (7.0, 365.0)),
    ("frequencies", (16, 32, 128, 512)),
    ("slope", (0.5, 1.0)),
    ("recent_first", (0.25, 0.5)),
    ("trend_share", (0.1, 0.4)),
    ("penalty", (0.01, 0.02, 0.1)),
    ("value", (0.25, 0.5)),
    ("user_damping", (0.5, 1.0)),
)
"""What the search tries, one setting after another: each alone, with the best found so far of the others."""
FORM = "graph_filter"
PREDICTED = 20
LEAST = np.float32(1e-2)
"""What is added to a score before its logarithm is taken; the mean score is about 1."""
ROUNDING = np.float32(1e-5)
"""A score of no more than this is what rounding has left of nothing."""
PARTS = ("walk", "smooth", "ridge")
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
        lists = top_k(torch.from_numpy(scores), Sets(starts, items), PREDICTED)
        listed = [" ".join(self.items.of(row[row >= 0]).to_pylist()) for row in lists]
        return pd.DataFrame({"items": listed})

    def example(self) -> pd.DataFrame:
        """Some rows as `predict` takes them."""
        return pd.DataFrame({"history": [" ".join(self.items.ids.slice(start, 2).to_pylist()) for start in range(3)]})

    def write(self, folder: Path, facts: Mapping[str, Any], built_from: Mapping[str, Any]) -> Bundle:
        """The model as a bundle."""
        arrays = {"lifted": self.graph_filter.lifted, "items": np.array(self.items.ids.to_pylist(), dtype=np.str_)}
        for name, part in self.graph_filter.parts.items():
            if isinstance(part, LowRank):
                arrays |= {f"{name}_before": part.before, f"{name}_after": part.after}
            elif isinstance(part, csr_matrix):
                arrays |= {f"{name}_values": part.data, f"{name}_columns": part.indices, f"{name}_starts": part.indptr}
            else:
                arrays[name] = part
        config = self.graph_filter.settings.model_dump(mode="json")
        facts = {**facts, "items_digest": self.items.digest}
        return write_bundle(folder, Model.GNN, {"form": FORM, **config}, facts, arrays, {}, built_from)

    @classmethod
    def read(cls, bundle: Bundle) -> FilterModel:
        """The model of a bundle."""
        items = IdMap(bundle.array("items").tolist())
        if items.digest != bundle.facts["items_digest"]:
            raise ModelError(
                f"the ids of the model in {bundle.folder} are not those it was trained with; train it anew"
            )
        config = {name: value for name, value in bundle.config.items() if name != "form"}
        held = {array.partition("_")[0] for array in bundle.arrays}
        parts = {name: _part(bundle, name, len(items)) for name in PARTS if name in held}
        return cls(GraphFilter(FilterSettings(**config), parts, bundle.array("lifted")), items)


def _part(bundle: Bundle, name: str, size: int) -> Part:
    """One of the filter's matrices: whole, as a product, or by its entries."""
    if name in bundle.arrays:
        return bundle.array(name)
    if f"{name}_before" in bundle.arrays:
        return LowRank(bundle.array(f"{name}_before"), bundle.array(f"{name}_after"))
    entries = tuple(bundle.array(f"{name}_{of}") for of in ("values", "columns", "starts"))
    return csr_matrix(entries, shape=(size, size))


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
    """The settings that rank best what users wanted after the night, one setting after another, within so many
    trials."""
    measured: dict[FilterSettings, float] = {}

    def measure(settings: FilterSettings) -> float:
        if settings not in measured and len(measured) < trials and settings.walk + settings.smooth + settings.ridge:
            scorer = fitted(test.view, settings).at(test.view)
            measured[settings] = judge_retriever(scorer, test, (20,)).means["ndcg_at_20"]
        return measured.get(settings, -1.0)

    best = start
    measure(best)
    for name, values in search:
        tried = [FilterSettings(**{**best.model_dump(), name: value}) for value in values]
        best = max([best, *tried], key=measure)
    return Choice(best, tuple(measured.items()))


@dataclass(frozen=True)
class Choice:
    """The settings that were found best, and what each that was tried measured."""

    settings: FilterSettings
    tried: tuple[tuple[FilterSettings, float], ...]
