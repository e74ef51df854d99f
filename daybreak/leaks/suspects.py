"""The features of a day's training rows by how much each tells of clicks."""

from __future__ import annotations

import pyarrow.compute as pc

from daybreak.features.training import CLICKED, RANKER_ROWS, SHOWN, SPINE
from daybreak.lake import Lake, Window
from daybreak.leaks.feature_scores import FeatureScore, scores_of
from daybreak.settings import Settings


def suspects(settings: Settings, day: str) -> list[FeatureScore]:
    """Scored by what was shown, so that all rows came about in one way."""
    rows = Lake.of(settings).table(RANKER_ROWS).read(Window(day, day))
    rows = rows.filter(pc.equal(rows.column("kind"), SHOWN))
    spine = {column.name for column in SPINE}
    return scores_of(rows, [name for name in RANKER_ROWS.column_names if name not in spine], CLICKED)
