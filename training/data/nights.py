"""What was known of users and items at the end of a night: their features, a row for each id.

The lists of a night are made of what that night knew. So a model that makes lists is taught, night by night, from the
features of the night itself and from what users wanted on the days after it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from daybreak.clock import end_of
from daybreak.contracts import Dataset
from daybreak.errors import InputError
from daybreak.features.as_of import EVENT_TS
from daybreak.features.declaration import Chosen, FeatureService
from daybreak.features.entities import ITEM, USER
from daybreak.features.services import TWO_TOWER
from daybreak.step_io import StepIO
from training.data.ids import IdMap, Ints

Mask = npt.NDArray[np.bool_]


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


def with_newcomers(night: NightFeatures, later: NightFeatures, counted: str) -> NightFeatures:
    """The night, with items of which it knew nothing as a later one tells what they are: without the features whose
    names begin with `counted`, for nobody had met them."""
    blank = later.items
    for place, name in enumerate(blank.column_names):
        if name.startswith(counted):
            blank = blank.set_column(place, name, pa.nulls(len(blank), blank.schema.field(name).type))
    rows = np.arange(len(blank)) + np.where(untold(night.items), len(blank), 0)
    return NightFeatures(night.users, pa.concat_tables([night.items, blank]).take(pa.array(rows)))


def untold(rows: pa.Table, prefix: str = "") -> Mask:
    """Rows of which nothing is known, of all columns or of those whose names begin so."""
    told = [rows[name] for name in rows.column_names if name.startswith(prefix)]
    if not told:
        return np.zeros(len(rows), np.bool_)
    return np.asarray(np.logical_and.reduce([pc.is_null(column).to_numpy() for column in told]))


def items_since(io: StepIO, night: str, items: IdMap) -> pa.Table:
    """What the towers are given of items by day, after a night: what they are as of today, and what that night had
    counted of them."""
    return _of_entity(io, TWO_TOWER, io.ds, ITEM.key, items, counted_on=night)


def _of_entity(
    io: StepIO, service: FeatureService, night: str, key: str, ids: IdMap, counted_on: str | None = None
) -> pa.Table:
    columns: dict[str, pa.ChunkedArray] = {}
    for chosen in service.chosen:
        if chosen.view.keys == (key,):
            columns |= _placed(io, chosen, counted_on or night if chosen.view.nightly else night, ids)
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
    _refuse_nan(rows, view.dataset, key, night)
    places, moments = ids.rows(rows[key]), rows[EVENT_TS].cast(pa.int64()).to_numpy()
    order = np.argsort(moments, kind="stable")
    order = order[places[order] >= 0]
    found = np.full(len(ids), -1)
    found[places[order]] = order
    taken = rows.select(list(chosen.names)).take(pa.array(found, mask=found < 0))
    return {chosen.as_of.output(name): taken[name] for name in chosen.names}


def _refuse_nan(rows: pa.Table, dataset: Dataset, key: str, night: str) -> None:
    """Says where a number is none; what is not known is null."""
    for name in rows.column_names:
        bad = _not_finite(rows[name])
        if len(bad):
            maker = dataset.name.replace("features/", "jobs.")
            raise InputError(
                f"{dataset.name}, as night {night} knows it, holds NaN or infinity in the column {name} of {len(bad):,}"
                f" rows, the first of {key} {rows[key][int(bad[0])].as_py()}, where a finite number or null was"
                f" expected; mend what makes it and run {maker} for that night again"
            )


def _not_finite(column: pa.ChunkedArray) -> Ints:
    """The rows whose number, or one of whose numbers, is none."""
    if pa.types.is_list(column.type) and pa.types.is_floating(column.type.value_type):
        parents, values = pc.list_parent_indices(column), pc.list_flatten(column)
        return np.unique(parents.filter(pc.invert(pc.is_finite(values))).to_numpy())
    if not pa.types.is_floating(column.type):
        return np.zeros(0, np.int64)
    return np.flatnonzero(pc.fill_null(pc.invert(pc.is_finite(column)), False).to_numpy())


def nights_with_features(io: StepIO, service: FeatureService, nights: Sequence[str]) -> list[str]:
    """Those of the nights for which every nightly view of the service was made."""
    views = [chosen.view for chosen in service.chosen if chosen.view.nightly]
    written = [io.written(view.dataset, nights) for view in views]
    return [night for night in nights if all(night in days for days in written)]
