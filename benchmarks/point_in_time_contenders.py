"""Those who join in `benchmarks.point_in_time`: each runs in a process of its own and tells what it used.

Run by the benchmark as `python -m benchmarks.point_in_time_contenders NAME FOLDER`. A contender reads the Parquet files
of the folder, writes its rows below it, and prints CPU seconds (children and the JVM included), peak memory and rows.
What a contender does before it says `started` is told apart: its imports, and the start of Spark.
"""

from __future__ import annotations

import json
import sys
import warnings
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pyarrow.parquet as pq

from daybreak.features.as_of import AsOf
from daybreak.resources import peak_memory_mb

MEMORY = "2g"
CORES = 2
TTL = timedelta(days=7)
SIDES = (
    AsOf("activity", ("user_id",), ("clicks", "sessions"), TTL, in_order=True),
    AsOf("taste", ("user_id",), ("price", "genre"), TTL, in_order=True),
    AsOf("stock", ("item_id",), ("popularity", "pieces"), TTL, in_order=True),
)
TYPES = {
    **dict.fromkeys(("user_id", "item_id", "genre"), "String"),
    **dict.fromkeys(("clicks", "price", "popularity"), "Float64"),
    **dict.fromkeys(("sessions", "pieces"), "Int32"),
}
Started = Callable[[], None]


def daybreak_spark(folder: Path, out: str, started: Started) -> None:
    from jobs.point_in_time import join

    spark = _spark(folder)
    started()
    sides = [(side, spark.read.parquet(str(folder / f"{side.name}.parquet"))) for side in SIDES]
    join(spark.read.parquet(str(folder / "spine.parquet")), "ts", sides).write.parquet(out)


def daybreak_duckdb(folder: Path, out: str, started: Started, in_order: bool = True) -> None:
    from jobs.point_in_time_duckdb import join

    started()
    sides = [(replace(side, in_order=in_order), f"read_parquet('{folder}/{side.name}.parquet')") for side in SIDES]
    join(_duckdb(folder), f"read_parquet('{folder}/spine.parquet')", "ts", sides).write_parquet(out)


def daybreak_duckdb_any_order(folder: Path, out: str, started: Started) -> None:
    daybreak_duckdb(folder, out, started, in_order=False)


def bare_duckdb(folder: Path, out: str, started: Started) -> None:
    """The same by hand: one ASOF join a view, and its time to live."""
    started()
    columns = [
        f"CASE WHEN epoch_us(s.ts) - epoch_us({side.name}.event_ts) <= {side.ttl_us} THEN {side.name}.{column} END"
        f" AS {side.output(column)}"
        for side in SIDES
        for column in side.columns
    ]
    joins = [
        f"ASOF LEFT JOIN '{folder}/{side.name}.parquet' AS {side.name}"
        f" ON s.{side.keys[0]} = {side.name}.{side.keys[0]} AND s.ts >= {side.name}.available_ts"
        for side in SIDES
    ]
    query = f"SELECT s.*, {', '.join(columns)} FROM '{folder}/spine.parquet' AS s {' '.join(joins)}"
    _duckdb(folder).sql(query).write_parquet(out)


def feast_spark(folder: Path, out: str, started: Started) -> None:
    from feast.infra.offline_stores.contrib.spark_offline_store.spark_source import SparkSource

    spark = _spark(folder)
    started()
    store = _feast(folder, "spark", lambda path, **times: SparkSource(path=path, file_format="parquet", **times))
    spine = spark.read.parquet(str(folder / "spine.parquet")).withColumnRenamed("ts", "event_timestamp")
    spine.createOrReplaceTempView("spine")
    _historical(store, "SELECT * FROM spine").to_spark_df().write.parquet(out)


def feast_duckdb(folder: Path, out: str, started: Started, kind: str = "duckdb") -> None:
    from feast import FileSource

    import_module(f"feast.infra.offline_stores.{kind}")
    started()
    store = _feast(folder, kind, FileSource)
    spine = pq.read_table(folder / "spine.parquet").to_pandas().rename(columns={"ts": "event_timestamp"})
    pq.write_table(_historical(store, spine).to_arrow(), out)


def feast_dask(folder: Path, out: str, started: Started) -> None:
    """Feast's default store; it leaves out the rows of the spine for which it finds nothing in time."""
    feast_duckdb(folder, out, started, "dask")


CONTENDERS = {
    contender.__name__: contender
    for contender in (
        daybreak_spark,
        feast_spark,
        daybreak_duckdb,
        daybreak_duckdb_any_order,
        bare_duckdb,
        feast_duckdb,
        feast_dask,
    )
}


def _spark(folder: Path) -> Any:
    """A session that has already run something."""
    from daybreak.settings import Settings
    from daybreak.spark import session

    spark = session(Settings(home=folder / "home", spark_master=f"local[{CORES}]", spark_memory=MEMORY))
    spark.range(10).count()
    return spark


def _duckdb(folder: Path) -> Any:
    config = {"threads": CORES, "memory_limit": f"{MEMORY}b", "temp_directory": str(folder / "spilled")}
    return duckdb.connect(config={**config, "preserve_insertion_order": False})


def _feast(folder: Path, kind: str, source: Callable[..., Any]) -> Any:
    """A Feast store of the sides as feature views."""
    from feast import Entity, FeatureStore, FeatureView, Field, RepoConfig, ValueType, types

    entities = {key: Entity(name=key, join_keys=[key], value_type=ValueType.STRING) for key in ("user_id", "item_id")}
    times = {"timestamp_field": "event_ts", "created_timestamp_column": "available_ts"}
    views = [
        FeatureView(
            name=side.name,
            entities=[entities[key] for key in side.keys],
            ttl=side.ttl,
            schema=[Field(name=name, dtype=getattr(types, TYPES[name])) for name in (*side.keys, *side.columns)],
            source=source(name=f"{side.name}_rows", path=str(folder / f"{side.name}.parquet"), **times),
        )
        for side in SIDES
    ]
    config = RepoConfig(
        project="daybreak",
        provider="local",
        registry=str(folder / f"registry-{kind}.db"),
        online_store={"type": "sqlite", "path": str(folder / "online.db")},
        offline_store={"type": kind},
        entity_key_serialization_version=3,
        repo_path=folder,
    )
    store = FeatureStore(config=config)
    store.apply([*entities.values(), *views])
    return store


def _historical(store: Any, spine: Any) -> Any:
    features = [f"{side.name}:{column}" for side in SIDES for column in side.columns]
    return store.get_historical_features(
        entity_df=spine, features=features, full_feature_names=True, filter_by_created_timestamp=True
    )


def _cpu_seconds() -> float:
    """Of this process and of all below it."""
    own = psutil.Process()
    used = 0.0
    for process in (own, *own.children(recursive=True)):
        times = process.cpu_times()
        used += times.user + times.system + times.children_user + times.children_system
    return used


def main() -> None:
    warnings.simplefilter("ignore")
    name, folder = sys.argv[1], Path(sys.argv[2])
    out = folder / f"{name}.parquet"
    start_up: list[float] = []
    CONTENDERS[name](folder, str(out), lambda: start_up.append(_cpu_seconds()))
    before = start_up[0]
    used = {"cpu_s": _cpu_seconds() - before, "start_s": before, "mb": peak_memory_mb()}
    files = sorted(out.glob("*.parquet")) if out.is_dir() else [out]
    print(json.dumps({**used, "rows": sum(pq.read_metadata(file).num_rows for file in files)}))


if __name__ == "__main__":
    main()
