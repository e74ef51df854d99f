"""A night of any size, written straight into a lake: users, a catalogue, what they did, what models and counts propose
for them, every feature that the ranker is given, and a ranker. What it says is drawn by chance; there is as much of it
as in a night of that size."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from daybreak.candidates import CONTENT, COOCCURRENCE, POPULARITY, TRENDING
from daybreak.clock import end_of
from daybreak.contracts import LANDED_DS, ColumnType, Dataset
from daybreak.datasets import EDGES, EVENTS, ITEMS, USERS
from daybreak.features.declaration import FeatureView
from daybreak.features.services import RANKER
from daybreak.features.training import RANKER_ROWS
from daybreak.lake import Lake
from daybreak.lake.schemas import full_schema
from daybreak.learning import CHAMPIONS, GNN_CANDIDATES, RANKERS, TOWER_CANDIDATES, Model
from daybreak.releases import Check
from daybreak.settings import Settings
from daybreak.step_io import StepIO
from daybreak.steps import step_named
from training.data.rows import RowFiles
from training.ranker import RankerConfig, fit_ranker

NIGHT = "2026-11-20"
ROW_DAYS = ("2026-11-13", "2026-11-14", "2026-11-15", "2026-11-16")
ROWS_A_DAY = 3_000
CATEGORIES, BRANDS, WORDS, WIDTH = 24, 200, 20, 32
LISTED, BESIDE, EVENTS_EACH, PAIRS_EACH = 100, 20, 25, 8
AT_ONCE = 10_000
Ints = NDArray[np.int64]


class Night:
    """A night of so many users and items, in the home of these settings."""

    def __init__(self, settings: Settings, users: int, items: int) -> None:
        self.settings, self.lake = settings, Lake.of(settings)
        self.users = pa.array([f"u{number:08}" for number in range(users)])
        self.items = pa.array([f"i{number:07}" for number in range(items)])
        self.categories = pa.array([f"w{number}" for number in range(CATEGORIES)])
        self.brands = pa.array([f"b{number}" for number in range(BRANDS)])
        self.draw = np.random.default_rng(1)

    def write(self) -> None:
        """All tables, and the ranker's release."""
        draw, items = self.draw, np.arange(len(self.items))
        of_items = {"category": self.categories.take(pa.array(items % CATEGORIES)),
                    "brand": self.brands.take(pa.array(items % BRANDS)),
                    "price": draw.random(len(items)) * 100}  # fmt: skip
        self._put(USERS, {"user_id": self.users, "status": pa.repeat("active", len(self.users))})
        self._put(ITEMS, {"item_id": self.items, "status": pa.repeat("active", len(items)), **of_items})
        self._put(EDGES, {})
        self._put(CONTENT, {})
        self._by_users(EVENTS, self._events)
        scores = {"item_id": self.items, "score": draw.random(len(items)), "events": np.ones(len(items), np.int64)}
        self._put(POPULARITY, scores)
        self._put(TRENDING, {name: values[:1_000] for name, values in scores.items()})
        near = (np.repeat(items, BESIDE) + np.tile(np.arange(1, BESIDE + 1) ** 2, len(items))) % len(items)
        beside = {"item_id": self.items.take(pa.array(np.repeat(items, BESIDE))),
                  "neighbour_id": self.items.take(pa.array(near)), "score": draw.random(len(near)),
                  "users": np.ones(len(near), np.int64)}  # fmt: skip
        self._put(COOCCURRENCE, beside)
        for step, dataset in ((7, TOWER_CANDIDATES), (14, GNN_CANDIDATES)):
            self._by_users(dataset, lambda users, step=step: self._listed(users, step))  # type: ignore[misc]
        for chosen in RANKER.chosen:
            self._view(chosen.view, of_items)
        self._ranker()

    def _put(self, dataset: Dataset, columns: dict[str, Any]) -> None:
        self.lake.table(dataset).replace(self._table(dataset, columns), self.lake.begin("bench", NIGHT))

    def _by_users(self, dataset: Dataset, made: Callable[[Ints], dict[str, Any]]) -> None:
        """A table with some rows for each user, made and written some users at once."""

        def batches() -> Iterator[pa.RecordBatch]:
            for start in range(0, len(self.users), AT_ONCE):
                users = np.arange(start, min(start + AT_ONCE, len(self.users)))
                yield from self._table(dataset, made(users)).to_batches()

        reader = pa.RecordBatchReader.from_batches(full_schema(dataset), batches())
        self.lake.table(dataset).replace(reader, self.lake.begin("bench", NIGHT))

    def _table(self, dataset: Dataset, given: dict[str, Any]) -> pa.Table:
        """Rows of the dataset; columns that are not given are drawn."""
        rows = len(next(iter(given.values()))) if given else 0
        given = {**given, "ds": pa.repeat(NIGHT, rows), LANDED_DS: pa.repeat(NIGHT, rows)}
        declared = {column.name: column for column in dataset.columns}
        schema = full_schema(dataset)
        silent = {name for name, column in declared.items() if column.nullable and dataset.delivery}
        columns = [
            given[name]
            if name in given
            else pa.nulls(rows, schema.field(name).type)
            if name in silent
            else drawn(self.draw, declared[name].type, rows)
            for name in schema.names
        ]
        return pa.table(
            [pa.array(column) if isinstance(column, np.ndarray) else column for column in columns], schema=schema
        )

    def _events(self, users: Ints) -> dict[str, Any]:
        rows = len(users) * EVENTS_EACH
        first = users[0] * EVENTS_EACH
        kinds = pa.array(["impression", "view", "view", "cart", "purchase"])
        whom = np.repeat(users, EVENTS_EACH)
        return {
            "event_id": pa.array([f"e{number}" for number in range(first, first + rows)]),
            "event_ts": _moments(rows),
            "user_id": self.users.take(pa.array(whom)),
            "item_id": self.items.take(pa.array((whom * 31 + self.draw.integers(0, 400, rows) * 7) % len(self.items))),
            "event_type": kinds.take(pa.array(self.draw.integers(0, len(kinds), rows))),
        }  # fmt: skip

    def _listed(self, users: Ints, step: int) -> dict[str, Any]:
        """Models list what lies around the same place of the catalogue, with some in common."""
        rank = np.tile(np.arange(LISTED), len(users))
        whom = np.repeat(users, LISTED)
        return {
            "query": pa.repeat("user", len(rank)),
            "query_id": self.users.take(pa.array(whom)),
            "rank": rank.astype(np.int32),
            "item_id": self.items.take(pa.array((whom * 31 + rank * step) % len(self.items))),
            "score": 1 / (1.0 + rank),
            "version": np.ones(len(rank), np.int32),
        }

    def _view(self, view: FeatureView, of_items: dict[str, Any]) -> None:
        """A view with a row for each of its entities, some for each user where it is of pairs."""

        def made(users: Ints) -> dict[str, Any]:
            pairs = len(view.keys) > 1
            whom = np.repeat(users, PAIRS_EACH) if pairs else users
            given: dict[str, Any] = {"user_id": self.users.take(pa.array(whom))}
            if pairs:
                others = {"category": self.categories, "brand": self.brands, "item_id": self.items}[view.keys[1]]
                at = (whom * 31 + np.tile(np.arange(PAIRS_EACH) * 7, len(users))) % len(others)
                given[view.keys[1]] = others.take(pa.array(at))
            return given | _stamps(len(whom))

        if view.keys[0] == "user_id":
            self._by_users(view.dataset, made)
        else:
            told = {name: values for name, values in of_items.items() if name in view.feature_names}
            self._put(view.dataset, {"item_id": self.items, **told, **_stamps(len(self.items))})

    def _ranker(self) -> None:
        """A ranker that was fitted on rows drawn by chance, as the night's champion."""
        io = StepIO(step_named("training.candidates"), NIGHT, self.settings, self.lake, self.lake.begin("bench", NIGHT))
        with tempfile.TemporaryDirectory() as folder:
            files = RowFiles.of([self._rows(Path(folder), day) for day in ROW_DAYS])
            config = RankerConfig(ds=NIGHT, epochs=1, likings_epochs=1, trees_iterations=0, pruned_share=0, draws=10)
            ranker, _ = fit_ranker(files, config, seed=1)
            store = io.releases(RANKERS)
            with store.build(ds=NIGHT, model="ranker-1", surfaces=(), built_from={}) as draft:
                ranker.save(draft.path)
                for path in sorted(draft.path.iterdir()):
                    draft.add(path.name, rows=0)
            store.audit(draft.release_id, [lambda release: Check("ranker", True, release.id)])
        row = {"model": Model.RANKER.value, "version": 1, "release": draft.release_id}
        self._put(CHAMPIONS, {name: pa.array([value]) for name, value in row.items()})

    def _rows(self, folder: Path, day: str) -> str:
        path, rows, draw = folder / f"ds={day}" / "part-0.parquet", ROWS_A_DAY, self.draw
        given: dict[str, Any] = {
            "kind": pa.repeat("shown", rows),
            "surface": pa.repeat("for_you", rows),
            "position": draw.integers(0, 20, rows).astype(np.int32),
            "user_id": self.users.take(pa.array(draw.integers(0, len(self.users), rows))),
            "item_id": self.items.take(pa.array(draw.integers(0, len(self.items), rows))),
            "item_catalogue__category": self.categories.take(pa.array(draw.integers(0, CATEGORIES, rows))),
        }
        columns = {
            column.name: given[column.name] if column.name in given else drawn(draw, column.type, rows)
            for column in RANKER_ROWS.columns
        }
        path.parent.mkdir()
        pq.write_table(pa.table(columns), path)
        return str(path)


def drawn(draw: np.random.Generator, kind: ColumnType, rows: int) -> Any:
    """A column of that type."""
    match kind:
        case ColumnType.STRING:
            return pa.array([f"w{number}" for number in range(WORDS)]).take(pa.array(draw.integers(0, WORDS, rows)))
        case ColumnType.INT32:
            return draw.integers(0, 50, rows).astype(np.int32)
        case ColumnType.INT64:
            return draw.integers(0, 50, rows)
        case ColumnType.FLOAT64:
            return draw.random(rows) * 10
        case ColumnType.BOOL:
            return draw.random(rows) < 0.5
        case ColumnType.TIMESTAMP:
            return _moments(rows)
        case ColumnType.VECTOR:
            flat = pa.array(draw.standard_normal(rows * WIDTH).astype(np.float32))
            return pa.ListArray.from_arrays(pa.array(np.arange(rows + 1, dtype=np.int32) * WIDTH), flat)
        case _:
            return pa.nulls(rows)


def _moments(rows: int) -> pa.Array:
    """The noon of the night's day."""
    return pa.repeat(pa.scalar(end_of(NIGHT) - timedelta(hours=12), pa.timestamp("us", tz="UTC")), rows)


def _stamps(rows: int) -> dict[str, Any]:
    return {"event_ts": _moments(rows), "available_ts": _moments(rows)}
