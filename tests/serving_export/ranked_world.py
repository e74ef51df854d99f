"""A tiny night whose lists a ranker orders: features of several nights, drawn by chance, and a ranker fitted on rows
that are as well. What a pair of a user and an item is given is looked up here by plain loops."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from daybreak.clock import due, end_of
from daybreak.contracts import ColumnType
from daybreak.features.declaration import Chosen, FeatureView
from daybreak.features.services import RANKER
from daybreak.features.training import RANKER_ROWS
from daybreak.lake import Lake
from daybreak.learning import CHAMPIONS, RANKERS, Model
from daybreak.ranking.fitted_ranker import FittedRanker
from daybreak.releases import Check
from daybreak.settings import Settings
from tests.lake import io_of, put, put_days
from tests.serving_export.nights import NIGHT, put_tiny_night, users_of
from tests.tiny import Row, TinyWorld, day
from training.data.rows import RowFiles
from training.ranker import RankerConfig, fit_ranker

SURFACES = """
for_you:
  query: user
  length: 20
  sources: {popular: {quota: 40}}
  rank: {by: BY, fusion: 0}
  gates: {min_length: 1}
"""
ROW_DAYS = ("2026-10-20", "2026-10-21", "2026-10-22", "2026-10-23")
ROWS_A_DAY = 400
CATEGORIES, BRANDS = ("w1", "w2", "w3"), ("w4", "w5")
WIDTH = 4


def fitted(folder: Path, world: TinyWorld) -> FittedRanker:
    """A ranker of all features of the service, and of ids."""
    draw = np.random.default_rng(1)
    files = []
    for ds in ROW_DAYS:
        given = {
            "kind": ["shown"] * ROWS_A_DAY,
            "surface": ["for_you"] * ROWS_A_DAY,
            "user_id": draw.choice(users_of(world, 0) + users_of(world, 1), ROWS_A_DAY).tolist(),
            "item_id": [world.item(int(group), int(n)) for group, n in draw.integers(0, 2, (ROWS_A_DAY, 2))],
        }
        columns = {
            column.name: given.get(column.name) or [value(draw, column.type) for _ in range(ROWS_A_DAY)]
            for column in RANKER_ROWS.columns
        }
        files.append(folder / f"ds={ds}" / "part-0.parquet")
        files[-1].parent.mkdir(parents=True)
        types = {"text_vector": pa.list_(pa.float32())}
        table = {name: pa.array(each, types.get(name.split("__")[-1])) for name, each in columns.items()}
        pq.write_table(pa.table(table), files[-1])
    config = RankerConfig(
        ds=NIGHT, ids=50, epochs=1, likings_epochs=2, deep=(8,), experts=2, expert_width=8, head_width=4,
        batch_size=128, trees_iterations=0, pruned_share=0, draws=10,
    )  # fmt: skip
    return fit_ranker(RowFiles.of([str(path) for path in files]), config, seed=1)[0]


def value(draw: np.random.Generator, kind: ColumnType) -> Any:
    """Something of that type, now and then nothing."""
    if kind is not ColumnType.BOOL and kind is not ColumnType.VECTOR and draw.random() < 0.15:
        return None
    match kind:
        case ColumnType.STRING:
            return f"w{draw.integers(0, 8)}"
        case ColumnType.BOOL:
            return bool(draw.random() < 0.5)
        case ColumnType.FLOAT64:
            return float(np.round(draw.random() * 9, 3))
        case ColumnType.TIMESTAMP:
            return end_of("2026-10-01") + timedelta(hours=int(draw.integers(0, 400)))
        case ColumnType.VECTOR:
            return draw.normal(size=WIDTH).astype(np.float32).tolist()
        case ColumnType.STRINGS:
            return []
        case _:
            return int(draw.integers(0, 40))


def put_ranked_night(settings: Settings, ranker: FittedRanker) -> TinyWorld:
    """The night, its features, and the ranker as its champion."""
    lake, draw = Lake.of(settings), np.random.default_rng(2)
    world = put_tiny_night(lake, TinyWorld(groups=2, users=4, items=6))
    for chosen in RANKER.chosen:
        put_view(lake, chosen.view, world, draw)
    release(settings, ranker)
    return world


def put_view(lake: Lake, view: FeatureView, world: TinyWorld, draw: np.random.Generator) -> None:
    """Rows of the last nights for some of the view's entities; some are told too late to count, some are too old."""
    users = [user for group in range(world.groups) for user in users_of(world, group)]
    items = [world.item(group, n) for group in range(world.groups) for n in range(world.items)]
    entities = {"user_id": users, "item_id": items, "category": CATEGORIES, "brand": BRANDS}
    nights: dict[str, list[Row]] = {}
    for number in (1, 2, 3):
        rows: dict[tuple[str, ...], Row] = {}
        for _ in range(24):
            keys = tuple(str(draw.choice(entities[key])) for key in view.keys)
            end = end_of(day(number))
            late = timedelta(hours=int(draw.choice([0, 0, 0, 40])))
            told = {feature.name: value(draw, feature.type) for feature in view.features}
            if "category" in told:
                told |= {"category": str(draw.choice(CATEGORIES)), "brand": str(draw.choice(BRANDS))}
            stamps = {"event_ts": end - timedelta(hours=int(draw.integers(1, 60))), "available_ts": end + late}
            rows[keys] = {**dict(zip(view.keys, keys, strict=True)), **stamps, **told, "ds": day(number)}
        nights[day(number)] = list(rows.values())
    put_days(lake, view.dataset, nights)


def release(settings: Settings, ranker: FittedRanker) -> None:
    """The ranker as the night's champion."""
    store = io_of("training.candidates", settings, NIGHT).releases(RANKERS)
    with store.build(ds=NIGHT, model="ranker-1", surfaces=(), built_from={}) as draft:
        ranker.save(draft.path)
        for path in sorted(draft.path.iterdir()):
            draft.add(path.name, rows=0)
    store.audit(draft.release_id, [lambda release: Check("ranker", True, release.id)])
    row = {"model": Model.RANKER, "version": 1, "digest": "d", "trained_until": NIGHT, "because": "it is",
           "release": draft.release_id}  # fmt: skip
    put(Lake.of(settings), CHAMPIONS, NIGHT, [row])


def told_of(lake: Lake) -> dict[str, list[Row]]:
    """All that each view tells."""
    views = {chosen.view.name: chosen.view for chosen in RANKER.chosen}
    return {name: lake.table(view.dataset).read().to_pylist() for name, view in views.items()}


def features_of(told_by: dict[str, list[Row]], settings: Settings, user: str, item: str) -> Row:
    """What a request for the two would find when the lists begin to be served, of all that views tell."""
    moment = due(NIGHT, settings.night_due)
    told: Row = {"user_id": user, "item_id": item}
    for chosen in RANKER.chosen:
        keys = [told[name] for name in chosen.as_of.found_by]
        found = _newest(told_by[chosen.view.name], chosen, keys, moment)
        told |= {chosen.as_of.output(name): found.get(name) for name in chosen.names}
    for feature in RANKER.on_request:
        given = [pa.array([told[one.name]], pa.timestamp("us", tz="UTC")) for one in feature.inputs]
        told[feature.name] = feature.compute(pa.array([moment], pa.timestamp("us", tz="UTC")), *given)[0].as_py()
    return told


def _newest(told: list[Row], chosen: Chosen, keys: list[str | None], moment: datetime) -> Row:
    view = chosen.view
    rows = [
        row
        for row in told
        if [row[key] for key in view.keys] == keys
        and row["available_ts"] <= moment
        and (view.ttl is None or row["event_ts"] >= moment - view.ttl)
    ]
    return max(rows, key=lambda row: (row["event_ts"], row["available_ts"]), default={})
