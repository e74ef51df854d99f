"""Homes in which all three models have what they learn from, small enough to learn it within a test.

Teacher and student learn from a world of groups; the ranker from rows in which users want what is of their own group.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from daybreak.features.training import RANKER_ROWS, SHOWN
from daybreak.lake import Lake
from daybreak.settings import Settings
from tests.lake import put_days
from tests.tiny import Row, day
from tests.training.worlds import GroupWorld, group_of

WORLD = GroupWorld(days=10, newcomers=4)
NIGHT = 9
ROW_DAYS = range(1, 7)
"""Those whose outcomes the night knows."""
A_DAY = 20
"""Items that a user is shown on a day."""
LEARN = ("due", "gnn", "two_tower", "ranker")
INDEX = ("indexing.shard", "indexing.publish", "indexing.candidates")
EVENING = ("ids", *LEARN, "candidates", "embeddings", *INDEX)
STEPS: dict[str, dict[str, Any]] = {
    "training.gnn": {"trials": 2},
    "training.two_tower": {
        "dimensions": 8,
        "hidden": [16],
        "cold_share": 0.3,
        "loop": {"epochs": 8, "batch_size": 24, "learning_rate": 0.01, "schedule": "constant"},
    },
    "training.ranker": {
        "deep": (16,),
        "experts": 2,
        "expert_width": 8,
        "head_width": 8,
        "epochs": 4,
        "batch_size": 64,
        "learning_rate": 1e-2,
        "trees_iterations": 0,
        "pruned_share": 0.0,
        "draws": 200,
        "gates": {"calibration_error": 0.3},
    },
}


def home_in(folder: Path, database: Path) -> Settings:
    """A home on whose last night all models may learn for the first time, with an empty MLflow."""
    settings = Settings(home=folder, steps=STEPS)
    settings.mlflow_home.mkdir(parents=True)
    (settings.mlflow_home / "mlflow.db").write_bytes(database.read_bytes())
    lake = Lake.of(settings)
    WORLD.put(lake)
    WORLD.put_features(lake, [*range(2, NIGHT - 1), NIGHT])
    put_rows(lake, {number: rows(number) for number in ROW_DAYS})
    return settings


def put_rows(lake: Lake, days: Mapping[int, list[Row]]) -> None:
    """Training rows of these days, in place of those that were there."""
    put_days(lake, RANKER_ROWS, {day(number): told for number, told in days.items()})


def rows(number: int, **changes: Any) -> list[Row]:
    """What users were shown on a day, in any order, half of it of their own group; `changes` are made to every row."""
    draw = np.random.default_rng(number)
    told = []
    for user in WORLD.users_map.ids.to_pylist():
        for place in range(A_DAY):
            group = group_of(user) if draw.random() < 0.5 else (group_of(user) + 1) % WORLD.groups
            item = WORLD.item(group, int(draw.integers(WORLD.items)))
            own = group == group_of(user)
            clicked = bool(draw.random() < (0.7 if own else 0.1))
            carted = clicked and bool(draw.random() < 0.6)
            told.append(
                {
                    "row_id": f"{number}-{user}-{place}",
                    "user_id": user,
                    "item_id": item,
                    "request_ts": f"{day(number)}T12:00:00Z",
                    "kind": SHOWN,
                    "surface": "for_you",
                    "position": place,
                    "clicked": clicked,
                    "carted": carted,
                    "purchased": carted and bool(draw.random() < 0.6),
                    "user_profile__country": ("DE", "FR", "IT")[group_of(user)],
                    "item_catalogue__category": f"group-{group}",
                    "item_activity__interest_7d": int(draw.integers(1, 40)),
                    "user_category__affinity": float(own) + 0.1 * float(draw.random()),
                    **changes,
                }
            )
    return told
