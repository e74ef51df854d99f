"""Towers that are small enough to be taught within a test, on a world of groups with newcomers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from daybreak.learning import Model
from tests.tiny import day
from tests.training.worlds import GroupWorld
from training.fitting.loop import FitReport, LoopConfig
from training.fitting.tower_task import TowerTask
from training.graph_teacher import FilterModel, fitted
from training.models.graph_filter import FilterSettings
from training.models.two_tower import TwoTower
from training.registry.bundle import Bundle
from training.tower_export import ExportedTowers, export_towers
from training.towers import TowerModel, in_torch, opened, write_towers
from training.two_tower import (
    WHAT_IT_IS,
    Lessons,
    TwoTowerConfig,
    _asked,
    _examples,
    lessons_of,
    teach,
    tower_model,
)

WORLD = GroupWorld(newcomers=4)
NIGHTS = range(1, 7)
CUT = 7
"""The night after which the towers are judged."""
LOOP = LoopConfig(epochs=12, batch_size=24, learning_rate=0.01, schedule="constant")
SEED = 5


def config(**values: Any) -> TwoTowerConfig:
    return TwoTowerConfig(**{"ds": day(9), "dimensions": 8, "hidden": [16], "loop": LOOP, "cold_share": 0.3, **values})


def lessons() -> Lessons:
    return lessons_of({day(night): WORLD.features(night) for night in NIGHTS}, WORLD.wants(CUT + 1))


def teacher() -> FilterModel:
    return fitted(WORLD.view(CUT), FilterSettings())


def taught(seed: int = SEED, by: FilterModel | None = None, **values: Any) -> tuple[TwoTower, FitReport]:
    return teach(config(**values), lessons(), by, WORLD.items_map, seed)


def new_task(by: FilterModel | None = None, **values: Any) -> TowerTask:
    """A task whose towers have learned nothing yet."""
    chosen, lesson = config(**values), lessons()
    users, items = lesson.encoders.users, lesson.encoders.items
    torch.manual_seed(SEED)
    module = TwoTower(
        (len(users.number_names), users.word_counts, users.vector_width),
        (len(items.number_names), items.word_counts, items.vector_width),
        len(WORLD.items_map),
        chosen.dimensions,
        chosen.hidden,
        with_ids=chosen.with_ids,
    )
    rows = WORLD.items_map.rows_of(by.items, "the teacher") if by else torch.zeros(0).numpy().astype(int)
    asked = _asked(by, rows, len(WORLD.items_map))
    return TowerTask(module, lesson.nights, lesson.newcomers, chosen.aims(), asked, SEED)


def model_of(module: TwoTower, **values: Any) -> TowerModel:
    """The towers as they were fitted, before any export."""
    towers = in_torch(module.users), in_torch(module.items)
    return tower_model(towers, module, lessons(), WORLD.items_map, config(**values))


def exported(module: TwoTower, folder: Path, prune_share: float = 0.5) -> ExportedTowers:
    """Every form of both towers, as files. Exporting takes seconds."""
    return export_towers(module, _examples(module, lessons()), folder, prune_share)


def served(module: TwoTower, towers: ExportedTowers, form: str = "float32", **values: Any) -> TowerModel:
    """The towers as one of their forms runs them."""
    return tower_model(opened(towers.files[form]), module, lessons(), WORLD.items_map, config(**values, form=form))


def written(module: TwoTower, towers: ExportedTowers, folder: Path, form: str = "float32", **values: Any) -> Bundle:
    """The towers as a bundle in a folder, in one of their forms."""
    folder.mkdir(parents=True, exist_ok=True)
    model = served(module, towers, form, **values)
    settings = config(**values, form=form).model_dump(mode="json", include=WHAT_IT_IS)
    facts = {"trained_until": day(9)}
    return write_towers(folder / Model.TWO_TOWER, model, towers.files[form], settings, facts, {})
