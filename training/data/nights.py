"""What was known of users and items at the end of a night: their features, a row for each id.

The lists of a night are made of what that night knew. So a model that makes lists is taught, night by night, from the
features of the night itself and from what users wanted on the days after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from daybreak.clock import end_of
from daybreak.features.as_of import EVENT_TS
from daybreak.features.declaration import Chosen, FeatureService
from daybreak.features.entities import ITEM, USER
from daybreak.step_io import StepIO
from training.data.ids import IdMap


@dataclass(frozen=True)
class NightFeatures:
    """Tables with one row for each user and each item of the id maps; null where nothing was known."""

    users: pa.Table
    items: pa.Table


def features_at(io: StepIO, service: FeatureService, night: str, users: IdMap, items: IdMap) -> NightFeatures:
    """The features of a service as the night knew them."""
    return NightFeatures(
        _of_entity(io, service, night, USER.key, users), _of_entity(io, service, night, ITEM.key, items)
    )


def _of_entity(io: StepIO, service: FeatureService, night: str, key: str, ids: IdMap) -> pa.Table:
    columns: dict[str, pa.ChunkedArray] = {}
    for chosen in service.chosen:
        if chosen.view.keys == (key,):
            columns |= _placed(io, chosen, night, ids)
    moments = pa.array([end_of(night)] * len(ids), pa.timestamp("us", tz="UTC"))
    for feature in service.on_request:
        if all(given.name in columns for given in feature.inputs):
            inputs = [columns[given.name].combine_chunks() for given in feature.inputs]
            columns[feature.name] = pa.chunked_array([feature.compute(moments, *inputs)])
    return pa.table(columns)


def _placed(io: StepIO, chosen: Chosen, night: str, ids: IdMap) -> dict[str, pa.ChunkedArray]:
    """The newest row of each id, at the id's place. Of views made anew each night, the night's own rows."""
    view, key = chosen.view, chosen.view.keys[0]
    since = night if view.nightly else None
    rows = io.read(view.dataset, since=since, until=night, columns=[key, EVENT_TS, *chosen.names])
    places, moments = ids.rows(rows[key]), rows[EVENT_TS].cast(pa.int64()).to_numpy()
    order = np.argsort(moments, kind="stable")
    order = order[places[order] >= 0]
    found = np.full(len(ids), -1)
    found[places[order]] = order
    taken = rows.select(list(chosen.names)).take(pa.array(found, mask=found < 0))
    return {chosen.as_of.output(name): taken[name] for name in chosen.names}


def nights_with_features(io: StepIO, service: FeatureService, nights: Sequence[str]) -> list[str]:
    """Those of the nights for which every nightly view of the service was made."""
    views = [chosen.view for chosen in service.chosen if chosen.view.nightly]
    written = [io.written(view.dataset, nights) for view in views]
    return [night for night in nights if all(night in days for days in written)]
