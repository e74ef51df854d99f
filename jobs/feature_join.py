"""Joins a spine with all that a feature service names, as of each row's moment, by the engine that fits the machine.

Some views are found by what another view tells: a user's taste for the category of an item, by the category that the
catalogue gave it at that moment. So the views are joined in rounds, each with what the round before has found.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import pyarrow as pa
from duckdb import DuckDBPyConnection
from pyspark.sql import DataFrame
from pyspark.sql import types as T

from daybreak.clock import days_before
from daybreak.duckdb_files import literal, opened, rows_of
from daybreak.features.declaration import Chosen, FeatureService
from daybreak.features.on_request import REQUEST_TS, with_request_features
from daybreak.lake.schemas import ARROW_TYPES
from daybreak.lake.spark_tables import SPARK_TYPES
from daybreak.settings import Settings
from daybreak.step_io import StepIO
from jobs import point_in_time, point_in_time_duckdb

BATCH_ROWS = 1 << 16


@contextmanager
def features_joined(
    io: StepIO, service: FeatureService, spine: DataFrame, days: Sequence[str]
) -> Iterator[DataFrame | pa.RecordBatchReader]:
    """The rows of the spine, which are of these days, with every feature of the service, for the block to write; what
    one machine keeps on disk meanwhile goes when the block ends, or fails."""
    if not by_duckdb(io.settings):
        yield _by_spark(io, service, spine, days)
        return
    with io.scratch() as folder:
        spine.write.parquet(str(folder / "spine"))
        with closing(opened(folder / "spilled", f"{io.settings.spark_memory}b")) as engine:
            yield _by_duckdb(engine, io, service, f"read_parquet({literal(f'{folder}/spine/*.parquet')})", days)


def by_duckdb(settings: Settings) -> bool:
    """Whether one machine does the join: as chosen, else where Spark is no more than one machine either."""
    if settings.point_in_time == "auto":
        return settings.spark_master.startswith("local")
    return settings.point_in_time == "duckdb"


def rounds(chosen: Sequence[Chosen], columns: Sequence[str]) -> Iterator[list[Chosen]]:
    """The views in the order in which they can be found, those together that need no other first."""
    known, waiting = set(columns), list(chosen)
    while waiting:
        ready = [each for each in waiting if set(each.as_of.found_by) <= known]
        if not ready:
            lost = ", ".join(each.view.name for each in waiting)
            raise ValueError(f"{lost}: found by columns that neither the spine nor another view gives")
        yield ready
        known.update(output for each in ready for output in each.as_of.outputs)
        waiting = [each for each in waiting if each not in ready]


def _window(chosen: Chosen, days: Sequence[str]) -> dict[str, str | None]:
    """The nights whose rows could count on these days. The last could be known on its next day at the earliest."""
    ttl = chosen.view.ttl
    since = days_before(min(days), ttl.days + 2) if ttl and chosen.view.nightly else None
    return {"since": since, "until": days_before(max(days), 1)}


def _by_spark(io: StepIO, service: FeatureService, spine: DataFrame, days: Sequence[str]) -> DataFrame:
    rows = spine
    for ready in rounds(service.chosen, spine.columns):
        sides = [(each.as_of, io.frame(each.view.dataset, **_window(each, days))) for each in ready]
        rows = point_in_time.join(rows, REQUEST_TS, sides)
    features = service.on_request
    added = [T.StructField(feature.name, SPARK_TYPES[feature.type]) for feature in features]
    return rows.mapInArrow(
        lambda batches: with_request_features(batches, REQUEST_TS, features),
        T.StructType([*rows.schema.fields, *added]),
    )


def _by_duckdb(
    engine: DuckDBPyConnection, io: StepIO, service: FeatureService, rows: str, days: Sequence[str]
) -> pa.RecordBatchReader:
    for number, ready in enumerate(rounds(service.chosen, engine.sql(f"FROM {rows} LIMIT 0").columns)):
        sides = []
        for each in ready:
            paths = io.paths(each.view.dataset, **_window(each, days))
            sides.append((each.as_of, rows_of(engine, each.view.dataset, paths)))
        point_in_time_duckdb.join(engine, rows, REQUEST_TS, sides).create_view(f"round_{number}")
        rows = f"round_{number}"
    batches = engine.sql(f"FROM {rows}").to_arrow_reader(BATCH_ROWS)
    added = [pa.field(feature.name, ARROW_TYPES[feature.type]) for feature in service.on_request]
    return pa.RecordBatchReader.from_batches(
        pa.schema([*batches.schema, *added]), with_request_features(batches, REQUEST_TS, service.on_request)
    )
