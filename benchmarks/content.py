"""What cold items are ranked by without a model: how like a history they are, or how well their category sells."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from training.data.ids import Ints
from training.data.tower_nights import remembered_weights
from training.evaluation.ranking import Scores
from training.judging import Popular
from training.retrieval import NightView

CATEGORY, BRAND, TEXT = "item_catalogue__category", "item_catalogue__brand", "item_text__text_vector"
HALF_LIFE_DAYS = 15.0
Floats = npt.NDArray[np.float32]


class Content:
    """A kNN over text, category and brand: the mean likeness of an item to what a user wanted, fresh wants first."""

    def __init__(self, view: NightView) -> None:
        assert view.features is not None
        items = view.features.items
        self.known = pc.is_valid(items[CATEGORY]).to_numpy()
        self.categories = _one_hot(items[CATEGORY])
        self._histories = view.histories
        self._items = _unit(
            np.hstack([_unit(each) for each in (_vectors(items[TEXT]), self.categories, _one_hot(items[BRAND]))])
        )

    def for_users(self, rows: Ints) -> Scores:
        histories = self._histories.of_rows(rows)
        profiles = histories.matrix(remembered_weights(histories, HALF_LIFE_DAYS)) @ self._items
        return np.asarray(profiles @ self._items.T, np.float32)

    def for_items(self, rows: Ints) -> Scores:
        return np.asarray(self._items[rows] @ self._items.T, np.float32)


class PopularInCategory:
    """How much the items of the same category were wanted lately, the same for all users."""

    def __init__(self, view: NightView, content: Content) -> None:
        popular = Popular(view).for_users(np.zeros(1, np.int64))[0]
        means = content.categories.T @ popular / np.maximum(content.categories.sum(axis=0), 1)
        self._scores = np.asarray(content.categories @ means, np.float32)

    def for_users(self, rows: Ints) -> Scores:
        return np.tile(self._scores, (len(rows), 1))

    def for_items(self, rows: Ints) -> Scores:
        return self.for_users(rows)


def _one_hot(words: pa.ChunkedArray) -> Floats:
    """A column for each word; a row of zeros where there is none."""
    codes = words.combine_chunks().dictionary_encode().indices
    places = pc.fill_null(codes, -1).to_numpy(zero_copy_only=False).astype(np.int64)
    table = np.zeros((len(places), places.max(initial=-1) + 1), np.float32)
    table[np.flatnonzero(places >= 0), places[places >= 0]] = 1
    return table


def _vectors(column: pa.ChunkedArray) -> Floats:
    told: Sequence[Sequence[float] | None] = column.to_pylist()
    width = max((len(each) for each in told if each), default=0)
    return np.array([each or [0.0] * width for each in told], np.float32).reshape(len(told), width)


def _unit(vectors: Floats) -> Floats:
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
