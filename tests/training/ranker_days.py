"""Days of training rows whose answer follows by reasoning: what is wanted is where two features have one sign."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from training.data.rows import RowFiles
from training.ranker import RankerConfig

DAYS = ("2026-11-01", "2026-11-02", "2026-11-03", "2026-11-04")
FEATURES = ("user_x__a", "item_x__b", "item_activity__interest_7d", "user_profile__device", "item_text__text_vector")
USERS, A_USER = 60, 25
CONFIG: dict[str, Any] = {
    "ds": "2026-11-20",
    "ids": 0,
    "deep": (16,),
    "experts": 2,
    "expert_width": 8,
    "head_width": 8,
    "epochs": 6,
    "batch_size": 128,
    "learning_rate": 1e-2,
    "trees_iterations": 0,
    "pruned_share": 0.0,
    "draws": 200,
}


def config(**more: Any) -> RankerConfig:
    return RankerConfig(**{**CONFIG, **more})


def rows(day: str, seed: int = 1, **columns: Any) -> pa.Table:
    """A day's rows: nine in ten shown, one in ten sampled."""
    draw = np.random.default_rng([seed, *map(int, day.split("-"))])
    n = USERS * A_USER
    a, b = draw.normal(size=(2, n))
    sampled = draw.random(n) < 0.1
    wanted = (a * b > 0) & ~sampled
    clicked = draw.random(n) < np.where(wanted, 0.7, 0.05 * ~sampled)
    carted = clicked & (draw.random(n) < 0.7)
    values: dict[str, Any] = {
        "row_id": [f"{day}-{number}" for number in range(n)],
        "user_id": [f"u{number // A_USER}" for number in range(n)],
        "item_id": [f"i{number % 7}" for number in range(n)],
        "kind": np.where(sampled, "sampled", "shown"),
        "surface": pa.array(draw.choice(["for_you", "similar_items"], n), mask=sampled),
        "position": pa.array(draw.integers(0, 10, n), pa.int32(), mask=sampled),
        "clicked": clicked,
        "carted": carted,
        "purchased": carted & (draw.random(n) < 0.7),
        "user_x__a": pa.array(a, mask=draw.random(n) < 0.05),
        "item_x__b": b,
        "item_activity__interest_7d": draw.integers(0, 100, n),
        "user_profile__device": pa.array(draw.choice(["ios", "web"], n), mask=draw.random(n) < 0.1),
        "item_text__text_vector": pa.array(list(draw.normal(size=(n, 2)).astype(np.float32)), pa.list_(pa.float32())),
    }
    return pa.table(values | columns)


def written(folder: Path, days: Mapping[str, pa.Table] | None = None) -> RowFiles:
    """The days as a lake's files; `days` replace those of the same name."""
    paths = []
    for day, table in ({day: rows(day) for day in DAYS} | dict(days or {})).items():
        path = folder / f"ds={day}" / "part-0.parquet"
        path.parent.mkdir(parents=True)
        pq.write_table(table, path, row_group_size=400)
        paths.append(str(path))
    return RowFiles.of(paths)
