"""Looked-up values beside those of the feature tables, for a sample of what a feature service is asked for."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pyarrow as pa

from daybreak.contracts import ColumnType
from daybreak.errors import InputError
from daybreak.features.as_of import output_name
from daybreak.features.declaration import FeatureService, RequestFeature
from daybreak.features.on_request import REQUEST_TS
from daybreak.lake.schemas import ARROW_TYPES
from feature_repo.tables import Keys, Tables, as_online

ON_REQUEST = "on_request"
UNKNOWN = "nobody knows this one"


@dataclass(frozen=True)
class Compared:
    """One value of one entity, twice."""

    view: str
    feature: str
    keys: Keys
    offline: Any
    online: Any

    @property
    def same(self) -> bool:
        return same(self.offline, self.online)

    def told(self) -> str:
        keys = ", ".join(f"{name} {value}" for name, value in self.keys.items())
        return (
            f"{self.view}.{self.feature} of {keys} is {_worded(self.offline)} in the tables and {_worded(self.online)}"
            " online"
        )


def compare(service: FeatureService, store: Any, tables: Tables, entities: int, seed: int) -> Iterator[Compared]:
    """Every feature of the service, for so many entities of each of its views and one that nobody knows."""
    rows = entity_rows(service, tables, entities, seed)
    found = look_up(store, service, rows, tables.moment)
    offline: dict[str, list[Any]] = {}
    for chosen in service.chosen:
        keys = [{key: row[key] for key in chosen.view.keys} for row in rows]
        known = tables.known(chosen.view, keys)
        for name in chosen.names:
            given = chosen.view.given(name)
            offline[given.name] = [as_online(given.type, row.get(name)) for row in known]
            for row, here, there in zip(keys, offline[given.name], found[given.name], strict=True):
                yield Compared(chosen.view.name, name, row, here, there)
    for feature in service.on_request:
        values = _computed(feature, offline, [tables.moment] * len(rows))
        for row, here, there in zip(rows, values, found[_looked_up_as(feature)], strict=True):
            yield Compared(ON_REQUEST, feature.name, row, here, there)


def entity_rows(service: FeatureService, tables: Tables, entities: int, seed: int) -> list[Keys]:
    """Keys to look up: a sample of each view; the keys that a view lacks are taken in turn from the other views'."""
    samples = [tables.sample(chosen.view, entities, seed) for chosen in service.chosen]
    names = sorted({key for chosen in service.chosen for key in chosen.view.keys})
    pools = {name: [row[name] for sample in samples for row in sample if name in row] for name in names}
    rows: list[Keys] = [dict.fromkeys(names, UNKNOWN)]
    for sample in samples:
        for row in sample:
            spare = {name: pool[len(rows) % len(pool)] if pool else UNKNOWN for name, pool in pools.items()}
            rows.append({**spare, **row})
    return rows


def look_up(store: Any, service: FeatureService, rows: list[Keys], moment: datetime) -> dict[str, list[Any]]:
    """What Feast answers, one list per feature."""
    from feast.errors import FeastObjectNotFoundException

    try:
        features = store.get_feature_service(service.name)
    except FeastObjectNotFoundException:
        raise InputError(
            f"Feast's registry does not know the service {service.name}; run feature_repo.apply first"
        ) from None
    asked = [{**row, REQUEST_TS: moment} for row in rows]
    return store.get_online_features(features, asked, full_feature_names=True).to_dict()


def same(one: Any, other: Any) -> bool:
    """Equal to the last bit, and of one type; a NaN is itself."""
    if isinstance(one, float) and isinstance(other, float):
        return struct.pack("<d", one) == struct.pack("<d", other)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(same, one, other))
    return type(one) is type(other) and bool(one == other)


def _computed(feature: RequestFeature, offline: dict[str, list[Any]], moments: list[datetime]) -> list[Any]:
    columns = [pa.array(offline[given.name], ARROW_TYPES[given.type]) for given in feature.inputs]
    return feature.compute(pa.array(moments, ARROW_TYPES[ColumnType.TIMESTAMP]), *columns).to_pylist()


def _looked_up_as(feature: RequestFeature) -> str:
    from daybreak.feature_store import on_request_view_name

    return output_name(on_request_view_name(feature), feature.name)


def _worded(value: Any) -> str:
    """A value in a sentence: long lists by their beginning."""
    if isinstance(value, list) and len(value) > 3:
        return f"[{', '.join(map(repr, value[:3]))}, …] of {len(value)}"
    return value.isoformat() if isinstance(value, datetime) else repr(value)
