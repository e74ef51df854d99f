"""Both point-in-time joins find what Feast's historical retrieval finds, on its DuckDB store.

Feast is asked as it has to be for the past to stay as it was: `filter_by_created_timestamp=True`, with `event_ts` as
the rows' time and `available_ts` as the time when they were created. The rows are random but for two things. No two
rows of a key have both times alike: Feast then takes either. No row describes a moment after it became available:
Feast would hide it until then, where we show what is known.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyspark.sql import SparkSession

from daybreak.features.as_of import AsOf
from tests.jobs.point_in_time_oracle import MICROSECOND, MOMENT, START, TTL, Row, told
from tests.jobs.test_point_in_time import by_duckdb, by_spark

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

TASTE = AsOf("taste", ("user_id",), ("score",), TTL)
PAIR = AsOf("pair", ("item_id", "user_id"), ("genre",))
TIMES = {"event_ts": MOMENT, "available_ts": MOMENT}
SCHEMAS = {
    TASTE: pa.schema({"user_id": pa.string(), **TIMES, "score": pa.float64()}),
    PAIR: pa.schema({"item_id": pa.int64(), "user_id": pa.string(), **TIMES, "genre": pa.string()}),
}
SPINE = pa.schema({"user_id": pa.string(), "item_id": pa.int64(), "ts": MOMENT, "request": pa.int64()})
STEPS = [TTL * days + apart * MICROSECOND for days in range(4) for apart in (-1, 0, 1)]
USERS = ("ann", "bob", "cyd", "dee")


@pytest.mark.parametrize("seed", range(3))
def test_both_find_what_feast_finds(spark: SparkSession, tmp_path: Path, seed: int) -> None:
    random = Random(seed)
    sides = [(side, pa.Table.from_pylist(_known(random, side), schema)) for side, schema in SCHEMAS.items()]
    spine = pa.Table.from_pylist([_asked(random, number) for number in range(400)], SPINE)
    expected = told(_by_feast(tmp_path, spine, dict(sides)).to_pylist())
    assert told(by_duckdb(spine, sides).to_pylist()) == expected
    assert told(by_spark(spark, spine, sides).to_pylist()) == expected


def _asked(random: Random, request: int) -> Row:
    ids = {"user_id": random.choice((*USERS, "nobody")), "item_id": random.randrange(4)}
    return {**ids, "ts": START + random.choice(STEPS) + TTL, "request": request}


def _known(random: Random, side: AsOf) -> list[Row]:
    """Many rows a key, half of them late, each pair of times at most once a key."""
    rows: dict[tuple[object, ...], Row] = {}
    for _ in range(150):
        event = START + random.choice(STEPS)
        available = max(event, START + random.choice(STEPS)) if random.random() < 0.5 else event
        ids = {"user_id": random.choice(USERS), "item_id": random.randrange(3)}
        values = {"score": random.choice([None, 1.5, -2.0]), "genre": random.choice([None, "a", "b"])}
        key = tuple(ids[name] for name in side.keys)
        found = {**{name: ids[name] for name in side.keys}, "event_ts": event, "available_ts": available}
        rows[*key, event, available] = {**found, **{name: values[name] for name in side.columns}}
    return list(rows.values())


def _by_feast(folder: Path, spine: pa.Table, sides: dict[AsOf, pa.Table]) -> pa.Table:
    """What Feast's DuckDB store makes of the tables, from a repository of its own in the folder."""
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource, RepoConfig, ValueType
    from feast.types import Float64, Int64, String

    types = {"user_id": String, "item_id": Int64, "score": Float64, "genre": String}
    entities = {
        name: Entity(name=name, join_keys=[name], value_type=value_type)
        for name, value_type in (("user_id", ValueType.STRING), ("item_id", ValueType.INT64))
    }
    views = []
    for side, rows in sides.items():
        pq.write_table(rows, folder / f"{side.name}.parquet")
        source = FileSource(
            name=f"{side.name}_rows",
            path=str(folder / f"{side.name}.parquet"),
            timestamp_field="event_ts",
            created_timestamp_column="available_ts",
        )
        schema = [Field(name=name, dtype=types[name]) for name in (*side.keys, *side.columns)]
        of = [entities[key] for key in side.keys]
        views.append(FeatureView(name=side.name, entities=of, ttl=side.ttl, schema=schema, source=source))
    store = FeatureStore(
        config=RepoConfig(
            project="daybreak",
            provider="local",
            registry=str(folder / "registry.db"),
            online_store={"type": "sqlite", "path": str(folder / "online.db")},
            offline_store={"type": "duckdb"},
            entity_key_serialization_version=3,
            repo_path=folder,
        )
    )
    store.apply([*entities.values(), *views])
    found = store.get_historical_features(
        entity_df=spine.to_pandas().rename(columns={"ts": "event_timestamp"}),
        features=[f"{side.name}:{column}" for side in sides for column in side.columns],
        full_feature_names=True,
        filter_by_created_timestamp=True,
    ).to_arrow()
    named = found.rename_columns(["ts" if name == "event_timestamp" else name for name in found.column_names])
    return named.select([*SPINE.names, *(output for side in sides for output in side.outputs)])
