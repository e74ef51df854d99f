"""The towers as a model of the registry: what they need beside their weights, and how they stand at a night.

What serves is the export: two ONNX files, run by ONNX Runtime, with the encoders and the vectors of ids beside them. So
the model that is judged is read back from its bundle before it is judged.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa
import torch
from torch import nn

from daybreak.errors import InputError, ModelError
from daybreak.features.encoder import Encoded, FeatureEncoder
from daybreak.learning import ITEM, USER, Model
from daybreak.ranking.session import Session
from daybreak.vectors import directions
from training.data.histories import Histories
from training.data.ids import IdMap, Ints
from training.data.tower_nights import TowerEncoders, remembered_weights
from training.evaluation.ranking import Scores
from training.registry.bundle import Bundle, write_bundle
from training.retrieval import NightView

Vectors = npt.NDArray[np.float32]
Inputs = tuple[Encoded, Vectors]
"""What a tower is given: features and memories."""
Forward = Callable[[Encoded, Vectors], Vectors]
"""One tower: features and memories in, vectors out."""
ENCODERS = "encoders.json"
TOWERS = ("users", "items")
ROWS_AT_ONCE = 8_192


@dataclass(frozen=True)
class TowerModel:
    """Both towers, ready to be asked. `ids` and `remembered` have a row for each of `items`."""

    users: Forward
    items_tower: Forward
    encoders: TowerEncoders
    items: IdMap
    ids: Vectors
    remembered: Vectors
    half_life_days: float

    def at(self, view: NightView) -> TowerScorer:
        return TowerScorer(self, view)

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The vector of each user, whose features are the columns, and whose `history` is the ids of items that were
        just wanted, separated by spaces."""
        rows = [self.items.rows(pa.array(text.split(), pa.string())) for text in frame["history"]]
        known = [each[each >= 0] for each in rows]
        starts = np.r_[0, np.cumsum([len(each) for each in known])]
        items = np.concatenate(known) if known else np.zeros(0, np.int64)
        ones = np.ones(len(items), np.float32)
        memory = recalled(
            Histories(starts, items, ones, ones * 0, len(self.items)), self.remembered, self.half_life_days
        )
        features = _table_of(frame, self.encoders.users)
        vectors = self.users(self.encoders.users.encode(features), memory)
        return pd.DataFrame({"vector": list(vectors)})

    def example(self, users: pa.Table) -> pd.DataFrame:
        """Some rows as `predict` takes them."""
        frame = users.select(list(self.encoders.users.columns)).slice(0, 3).to_pandas()
        frame.insert(
            0, "history", [" ".join(self.items.ids.slice(start, 2).to_pylist()) for start in range(len(frame))]
        )
        return frame


def read(bundle: Bundle) -> TowerModel:
    """The towers of a bundle, run by ONNX Runtime."""
    items = IdMap(bundle.array("items").tolist())
    if items.digest != bundle.facts["items_digest"]:
        raise ModelError(f"the ids of the model in {bundle.folder} are not those it was trained with; train it anew")
    told = json.loads(bundle.path(ENCODERS).read_bytes())
    return TowerModel(
        *opened({name: bundle.path(f"{name}.onnx") for name in TOWERS}),
        TowerEncoders(*(FeatureEncoder.from_json(told[name]) for name in TOWERS)),
        items,
        bundle.array("ids"),
        bundle.array("remembered"),
        float(bundle.config["half_life_days"]),
    )


def opened(files: Mapping[str, Path]) -> tuple[Forward, Forward]:
    """Both towers from exported files."""
    users, items = (forward_of(files[name]) for name in TOWERS)
    return users, items


def in_torch(tower: nn.Module) -> Forward:
    """A tower as it was fitted, before any export."""

    def run(encoded: Encoded, memory: Vectors) -> Vectors:
        with torch.no_grad():
            parts = (encoded.numbers, encoded.words, encoded.vectors, np.ascontiguousarray(memory))
            return tower(*(torch.from_numpy(part) for part in parts)).numpy()

    return run


def forward_of(path: Path) -> Forward:
    session = Session(path)

    def run(encoded: Encoded, memory: Vectors) -> Vectors:
        return session.run(
            {"numbers": encoded.numbers, "words": encoded.words, "vectors": encoded.vectors, "memory": memory},
            rows_at_once=ROWS_AT_ONCE,
        )

    return run


def write_towers(
    folder: Path,
    model: TowerModel,
    files: Mapping[str, Path],
    config: Mapping[str, Any],
    facts: Mapping[str, Any],
    built_from: Mapping[str, Any],
) -> Bundle:
    """The towers as a bundle, with `files` as their exported form."""
    encoders = zip(TOWERS, (model.encoders.users, model.encoders.items), strict=True)
    document = folder.with_name(ENCODERS)
    document.write_text(json.dumps({name: encoder.to_json() for name, encoder in encoders}), encoding="utf-8")
    return write_bundle(
        folder,
        Model.TWO_TOWER,
        config,
        {**facts, "items_digest": model.items.digest},
        {
            "ids": model.ids,
            "remembered": model.remembered,
            "items": np.array(model.items.ids.to_pylist(), dtype=np.str_),
        },
        {**{f"{name}.onnx": path for name, path in files.items()}, ENCODERS: document},
        built_from,
    )


class TowerScorer:
    """The towers at the end of a night, with the vectors of all its items."""

    def __init__(self, model: TowerModel, view: NightView) -> None:
        if view.features is None:
            raise InputError("towers need the features of the night, and the view of it has none; read them first")
        self._model, self._view = model, view
        rows = view.items.rows_of(model.items, "the student")
        self._ids, self._remembered = (placed(kept, rows, len(view.items)) for kept in (model.ids, model.remembered))
        self._users = view.features.users
        self._items = view.features.items

    @cached_property
    def item_vectors(self) -> Vectors:
        """Vectors of all items."""
        return self._model.items_tower(*self.of_items(np.arange(len(self._view.items))))

    @cached_property
    def _encoded(self) -> dict[str, Encoded]:
        """All users and items at once: many small tables cost several times as much."""
        encoders = self._model.encoders
        return {USER: encoders.users.encode(self._users), ITEM: encoders.items.encode(self._items)}

    def of_users(self, rows: Ints) -> Inputs:
        """What the tower of users is given of some."""
        histories = self._view.histories.of_rows(rows)
        memory = recalled(histories, self._remembered, self._model.half_life_days)
        return self._encoded[USER].of_rows(rows), memory

    def of_items(self, rows: Ints) -> Inputs:
        """What the tower of items is given of some."""
        return self._encoded[ITEM].of_rows(rows), self._ids[rows]

    def user_vectors(self, rows: Ints) -> Vectors:
        """Vectors of some users."""
        return self._model.users(*self.of_users(rows))

    def for_users(self, rows: Ints) -> Scores:
        return np.asarray(self.user_vectors(rows) @ self.item_vectors.T, np.float32)

    def for_items(self, rows: Ints) -> Scores:
        """How alike items are: the cosine of their vectors, without how much all want them."""
        unit = directions(self.item_vectors)
        return np.asarray(unit[rows] @ unit.T, np.float32)


def recalled(histories: Histories, remembered: Vectors, half_life_days: float) -> Vectors:
    """The memory of users of these histories."""
    return np.asarray(histories.matrix(remembered_weights(histories, half_life_days)) @ remembered, np.float32)


def placed(kept: Vectors, rows: Ints, n_items: int) -> Vectors:
    """A model's vectors at the rows of the night; zero for items that it does not know."""
    placed = np.zeros((n_items, kept.shape[1]), np.float32)
    placed[rows[rows >= 0]] = kept[rows >= 0]
    return placed


def _table_of(frame: pd.DataFrame, encoder: FeatureEncoder) -> pa.Table:
    """The columns that the encoder takes, where a number that is missing is null."""
    return pa.Table.from_pandas(frame[list(encoder.columns)], preserve_index=False)
