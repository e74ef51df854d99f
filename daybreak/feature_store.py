"""Feast, made from our own declarations: its entities, views, services and configuration, and the open store.

Nothing is declared twice: every Feast object is generated from `daybreak.features`. This is the only module of the
core that imports Feast, which takes seconds; import it where it is used, never at the top of a module.

Historical reads go through Feast's DuckDB engine over the files of each table's current version, because DuckDB's own
Delta reader is an extension that has to be downloaded.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

import ibis
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from feast import Entity, FeatureService, FeatureView, Field, FileSource, RequestSource
from feast import FeatureStore as FeastStore
from feast.data_format import DeltaFormat
from feast.infra.offline_stores.duckdb import DuckDBOfflineStore
from feast.infra.offline_stores.ibis import get_historical_features_ibis
from feast.infra.offline_stores.offline_store import RetrievalJob
from feast.on_demand_feature_view import OnDemandFeatureView
from feast.repo_config import FeastConfigBaseModel, RepoConfig
from feast.transformation.pandas_transformation import PandasTransformation
from feast.types import Array, Bool, Float32, Float64, Int32, Int64, String, UnixTimestamp
from feast.value_type import ValueType

from daybreak.contracts import ColumnType
from daybreak.errors import LakeError
from daybreak.features import declaration as declared
from daybreak.features.as_of import AVAILABLE_TS, EVENT_TS
from daybreak.features.on_request import ON_REQUEST, REQUEST_TS
from daybreak.features.online import PROJECT
from daybreak.features.services import SERVICES
from daybreak.features.views import VIEWS, view_named
from daybreak.lake import Lake
from daybreak.lake.schemas import ARROW_TYPES, full_schema
from daybreak.settings import Settings

logging.getLogger("feast").setLevel(logging.ERROR)
warnings.filterwarnings("ignore", message="On demand feature view is an experimental feature")

TYPES: dict[ColumnType, Any] = {
    ColumnType.STRING: String,
    ColumnType.INT32: Int32,
    ColumnType.INT64: Int64,
    ColumnType.FLOAT64: Float64,
    ColumnType.BOOL: Bool,
    ColumnType.TIMESTAMP: UnixTimestamp,
    ColumnType.STRINGS: Array(String),
    ColumnType.VECTOR: Array(Float32),
}


# The store


def open_store(settings: Settings, registry: Path | None = None) -> FeastStore:
    """Feast over our lake and online store. `registry` is another file than the settings' own."""
    settings.feast_home.mkdir(parents=True, exist_ok=True)
    return FeastStore(config=RepoConfig(**store_config(settings, registry), repo_path=settings.feast_home))


def store_config(settings: Settings, registry: Path | None = None) -> dict[str, Any]:
    """What a feature_store.yaml for these settings would say."""
    return {
        "project": PROJECT,
        "provider": "local",
        "entity_key_serialization_version": 3,
        "registry": _registry(settings, registry),
        "online_store": _online_store(settings),
        "offline_store": {
            "type": f"{LakeOfflineStore.__module__}.{LakeOfflineStore.__name__}",
            "lake_url": settings.lake,
            "lake_options": settings.lake_options,
            "scratch": str(settings.scratch),
        },
    }


def registry_file(settings: Settings) -> Path:
    return settings.feast_home / "registry.db"


def _registry(settings: Settings, registry: Path | None) -> dict[str, Any]:
    if settings.feature_registry and registry is None:
        return {"registry_type": "sql", "path": settings.feature_registry, "cache_ttl_seconds": 60}
    return {"registry_type": "file", "path": str(registry or registry_file(settings)), "cache_ttl_seconds": 60}


def _online_store(settings: Settings) -> dict[str, Any]:
    if settings.online_store is None:
        return {"type": "sqlite", "path": str(settings.feast_home / "online.db")}
    url = urlsplit(settings.online_store)
    parts = [f"{url.hostname}:{url.port or 6379}"]
    options = {"username": url.username, "password": url.password, "db": url.path.strip("/")}
    parts += [f"{name}={unquote(value)}" for name, value in options.items() if value]
    parts += ["ssl=true"] if url.scheme == "rediss" else []
    return {"type": "redis", "connection_string": ",".join(parts)}


# The objects


def feast_objects(settings: Settings) -> list[Any]:
    """All that is declared, as Feast's objects."""
    lake = Lake.of(settings)
    entities = {
        entity.name: Entity(
            name=entity.name, join_keys=[entity.key], description=entity.doc, value_type=ValueType.STRING
        )
        for view in VIEWS.values()
        for entity in view.entities
    }
    views = {name: _feature_view(view, lake.url, entities) for name, view in VIEWS.items()}
    on_request = {feature.name: _on_request_view(feature, views) for feature in ON_REQUEST}
    services = [_service(service, views, on_request) for service in SERVICES.values()]
    return [*entities.values(), *views.values(), *on_request.values(), *services]


def on_request_view_name(feature: declared.RequestFeature) -> str:
    """The name of the Feast view that holds a feature computed on request."""
    return f"on_request_{feature.name}"


def _feature_view(view: declared.FeatureView, lake_url: str, entities: dict[str, Entity]) -> FeatureView:
    source = FileSource(
        name=view.name,
        path=f"{lake_url}/{view.dataset.name}",
        file_format=DeltaFormat(),
        timestamp_field=EVENT_TS,
        created_timestamp_column=AVAILABLE_TS,
        description=view.doc,
        owner=view.owner,
    )
    keys = [Field(name=entity.key, dtype=String, description=entity.doc) for entity in view.entities]
    return FeatureView(
        name=view.name,
        entities=[entities[entity.name] for entity in view.entities],
        schema=[*keys, *(_field(feature) for feature in view.features)],
        source=source,
        ttl=view.ttl,
        description=view.doc,
        owner=view.owner,
        tags={
            "made_by": view.made_by,
            "nightly": str(view.nightly).lower(),
            **({"fresh_within_h": f"{view.fresh_within / timedelta(hours=1):g}"} if view.fresh_within else {}),
        },
    )


def _field(feature: declared.Feature) -> Field:
    tags = {"window_days": str(feature.window_days)} if feature.window_days else {}
    return Field(name=feature.name, dtype=TYPES[feature.type], description=feature.doc, tags=tags)


def _service(
    service: declared.FeatureService, views: dict[str, FeatureView], on_request: dict[str, OnDemandFeatureView]
) -> FeatureService:
    stored = [views[chosen.view.name][list(chosen.names)] for chosen in service.chosen]
    return FeatureService(
        name=service.name,
        features=[*stored, *(on_request[feature.name] for feature in service.on_request)],
        description=service.doc,
    )


def _on_request_view(feature: declared.RequestFeature, views: dict[str, FeatureView]) -> OnDemandFeatureView:
    source = (
        f"def {feature.name}(inputs):\n"
        "    from daybreak.feature_store import compute_on_request\n\n"
        f"    return compute_on_request({feature.name!r}, inputs)\n"
    )
    made: dict[str, Callable[..., Any]] = {}
    # Feast keeps a function as its source and runs that; what is given it here must be that very source.
    exec(source, {"__name__": "__main__"}, made)
    return OnDemandFeatureView(
        name=on_request_view_name(feature),
        sources=[
            *(views[given.view][[given.feature]] for given in feature.inputs),
            RequestSource(name="request", schema=[Field(name=REQUEST_TS, dtype=UnixTimestamp)]),
        ],
        schema=[Field(name=feature.name, dtype=TYPES[feature.type])],  # inferred fields have no description
        mode="pandas",
        feature_transformation=PandasTransformation(made[feature.name], source),
        description=feature.doc,
    )


def compute_on_request(name: str, inputs: pd.DataFrame) -> pd.DataFrame:
    """A feature of the moment of the request, from what Feast has read. Moments count in whole seconds, as Feast
    keeps them online."""
    feature = next(feature for feature in ON_REQUEST if feature.name == name)
    arrays = [_whole_seconds(inputs[REQUEST_TS], ARROW_TYPES[ColumnType.TIMESTAMP])]
    arrays += [_whole_seconds(inputs[given.name], ARROW_TYPES[given.type]) for given in feature.inputs]
    return pd.DataFrame({name: feature.compute(*arrays).to_pandas()})


def _whole_seconds(values: pd.Series[Any], kind: pa.DataType) -> pa.Array:
    array = pa.Array.from_pandas(values, type=kind, safe=False)
    return pc.floor_temporal(array, unit="second") if pa.types.is_timestamp(kind) else array


# The lake as Feast's offline store


class LakeOfflineStoreConfig(FeastConfigBaseModel):
    """Where the lake is."""

    type: Literal["daybreak.feature_store.LakeOfflineStore"] = "daybreak.feature_store.LakeOfflineStore"
    lake_url: str
    lake_options: dict[str, str]
    scratch: str


class LakeOfflineStore(DuckDBOfflineStore):
    """Feast's DuckDB engine over the current version of our tables; rows count from when they were available."""

    @staticmethod
    def get_historical_features(
        config: RepoConfig, feature_views: list[FeatureView], *arguments: Any, **named: Any
    ) -> RetrievalJob:
        """As Feast's own, with the files that the lake names now."""
        place = config.offline_store
        lake = Lake(place.lake_url, place.lake_options, Path(place.scratch))
        named["filter_by_created_timestamp"] = True
        return get_historical_features_ibis(
            config,
            feature_views,
            *arguments,
            **named,
            data_source_reader=lambda source, repo_path: _current_rows(lake, source.name),
            data_source_writer=_refuse_to_write,
        )


def _current_rows(lake: Lake, view: str) -> ibis.Table:
    """The rows of a view. A feature that no file has, as it was declared since, is null."""
    dataset = view_named(view).dataset
    table = lake.table(dataset)
    _, paths = table.local_paths(table.files())
    if not paths:
        return ibis.memtable(full_schema(dataset).empty_table())
    rows = ibis.read_parquet(paths, union_by_name=True, hive_partitioning=False)
    since = [column for column in dataset.columns if column.name not in rows.columns]
    return rows.mutate(**{column.name: ibis.null(ibis.dtype(ARROW_TYPES[column.type])) for column in since})


def _refuse_to_write(*arguments: Any) -> None:
    raise LakeError("Feast writes no feature tables: their jobs do, as `daybreak run` runs them")
