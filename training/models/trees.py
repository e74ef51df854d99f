"""Boosted trees, one forest for each head, on features as they are: what the ranker must beat to be worth its keep.

Numbers are given raw, null where not known; words as categories; vectors number by number. Trees see what the ranker
sees when it serves and no more: neither shelf nor place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from daybreak.features.encoder import UNKNOWN, FeatureEncoder

Floats = NDArray[np.float32]


@dataclass(frozen=True)
class Trees:
    """A forest for each head."""

    features: FeatureEncoder
    forests: dict[str, Any]

    @classmethod
    def fit(
        cls,
        rows: pa.Table,
        features: FeatureEncoder,
        heads: Sequence[str],
        *,
        seed: int,
        iterations: int,
        learning_rate: float = 0.05,
        leaves: int = 8,
        least_rows_a_leaf: int = 200,
        features_share: float = 0.3,
    ) -> Trees:
        """Forests for the labels of these rows, which carry the heads' names."""
        from sklearn.ensemble import HistGradientBoostingClassifier

        table = raw(rows, features)
        first_word = len(features.means)
        words = list(range(first_word, first_word + len(features.vocabularies)))
        forests = {
            head: HistGradientBoostingClassifier(
                max_iter=iterations,
                learning_rate=learning_rate,
                max_leaf_nodes=leaves,
                min_samples_leaf=min(least_rows_a_leaf, max(1, rows.num_rows // 50)),
                l2_regularization=10.0,
                max_features=features_share,
                categorical_features=words or None,
                early_stopping=False,
                random_state=seed % 2**32,
            ).fit(table, rows[head].to_numpy())
            for head in heads
        }
        return cls(features, forests)

    def score(self, rows: pa.Table) -> dict[str, NDArray[np.float64]]:
        """How likely each head is, for each row."""
        table = raw(rows, self.features)
        return {head: forest.predict_proba(table)[:, 1] for head, forest in self.forests.items()}


def raw(rows: pa.Table, features: FeatureEncoder) -> Floats:
    """The features as trees take them: NaN where not known, words as numbers of their categories."""
    encoded = features.encode(rows)  # says what is wrong with the rows
    numbers = [rows[name].cast(pa.float64()).to_numpy() for name in features.means]
    words = encoded.words.astype(np.float32)
    words[words == UNKNOWN] = np.nan
    columns = [np.asarray(column, np.float32)[:, None] for column in numbers]
    return np.hstack([*columns, words, encoded.vectors])
