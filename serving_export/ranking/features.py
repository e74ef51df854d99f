"""The features of the night for pairs of users and items, encoded once for each user, item and tie, joined many times.

What counts is what a request would find when the lists begin to be served: the newest row of each view that is known by
then and not too old, as in training. Features of the moment of a request are taken at that moment.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from daybreak.clock import days_before, due
from daybreak.duckdb_files import literal, quoted, rows_of
from daybreak.features.as_of import EVENT_TS
from daybreak.features.declaration import Chosen, FeatureService
from daybreak.features.encoder import Encoded, FeatureEncoder
from daybreak.features.encoder_parts import EncodedPart, joined, part_of, refuse_incomplete
from daybreak.features.entities import ITEM, USER
from daybreak.sorted_keys import found_at
from daybreak.sources import Entity
from serving_export.arrays import Ints
from serving_export.names import Names
from serving_export.night import NAMES, Night, Range

Columns = dict[str, pa.ChunkedArray]
_ENTITIES = {USER.key: Entity.USER, ITEM.key: Entity.ITEM}


@dataclass(frozen=True)
class Joined:
    """A view of pairs, encoded, and where to find the row of a pair: by the number of the user and of what the item has
    (itself, its category, its brand). The last row is for pairs of which nothing is told."""

    part: EncodedPart
    keys: Ints
    of_item: Ints
    width: int

    def rows(self, users: Ints, items: Ints) -> Ints:
        others = self.of_item[items]
        wanted = users * self.width + others
        at = found_at(wanted, self.keys)
        return np.where((others >= 0) & (at >= 0), at, len(self.keys))


@dataclass(frozen=True)
class NightFeatures:
    """All that the ranker is given, for the users of a range and every item."""

    encoder: FeatureEncoder
    users: EncodedPart
    first_user: int
    items: EncodedPart
    pairs: Sequence[Joined]

    @classmethod
    def of(cls, night: Night, service: FeatureService, encoder: FeatureEncoder, among: Range) -> NightFeatures:
        moment = due(night.ds, night.io.settings.night_due)
        alone = {key: [each for each in service.chosen if each.view.keys == (key,)] for key in _ENTITIES}
        tables = {key: _of_entity(night, key, views, moment, among) for key, views in alone.items()}
        _add_request_features(tables[USER.key], service, moment)
        _add_request_features(tables[ITEM.key], service, moment)
        of_pairs = [
            _of_pairs(night, each, service, encoder, moment, among, tables[ITEM.key])
            for each in service.chosen
            if len(each.view.keys) > 1
        ]
        users, items = (part_of(encoder, pa.table(tables[key])) for key in (USER.key, ITEM.key))
        refuse_incomplete(encoder, [users, items, *(each.part for each in of_pairs)])
        return cls(encoder, users, among.first, items, of_pairs)

    def rows(self, users: Ints, items: Ints) -> Encoded:
        """The features of these pairs."""
        parts = [(self.users, users - self.first_user), (self.items, items)]
        return joined(self.encoder, [*parts, *((each.part, each.rows(users, items)) for each in self.pairs)])


class ToldOfUser:
    """The features of one user with items, as they were told, before they became numbers."""

    def __init__(self, night: Night, service: FeatureService, encoder: FeatureEncoder, user: int) -> None:
        moment, among = due(night.ds, night.io.settings.night_due), Range(user, user + 1)
        alone = {key: [each for each in service.chosen if each.view.keys == (key,)] for key in _ENTITIES}
        self._encoder = encoder
        self._user = _of_entity(night, USER.key, alone[USER.key], moment, among)
        self._items = _of_entity(night, ITEM.key, alone[ITEM.key], moment, among)
        _add_request_features(self._user, service, moment)
        _add_request_features(self._items, service, moment)
        self._pairs: list[tuple[str, pa.ChunkedArray, Columns]] = []
        for chosen in service.chosen:
            if len(chosen.view.keys) > 1:
                rows = _newest(night, chosen, moment, _of_users(chosen.view.keys[0], among))
                columns: Columns = {chosen.as_of.output(name): rows[name] for name in chosen.names}
                _add_request_features(columns, service, moment)
                self._pairs.append((chosen.as_of.found_by[1], rows[chosen.view.keys[1]], columns))

    def with_item(self, item: int) -> dict[str, Any]:
        """What the model takes of the user and this item, but for vectors."""
        told = {name: column[0].as_py() for name, column in self._user.items()}
        told |= {name: column[item].as_py() for name, column in self._items.items()}
        for found_by, keys, columns in self._pairs:
            at = pc.index(keys, told[found_by]).as_py() if told[found_by] is not None else -1
            told |= {name: column[at].as_py() if at >= 0 else None for name, column in columns.items()}
        return {name: told[name] for name in self._encoder.columns if name not in self._encoder.vectors}


def _of_users(key: str, among: Range) -> str:
    """The condition that a row is of a user of the range."""
    return f"{quoted(key)} IN (SELECT id FROM user_names WHERE {among.of('number')})"


def _of_entity(night: Night, key: str, views: Sequence[Chosen], moment: datetime, among: Range) -> Columns:
    """The newest rows of all views of users, or of items, at the numbers of those."""
    entity = _ENTITIES[key]
    names = night.names[entity]
    within = among if entity is Entity.USER else Range(0, len(names))
    ids = names.ids.slice(within.first, within.stop - within.first)
    columns: Columns = {key: pa.chunked_array([ids])}
    for chosen in views:
        of_whom = f"{quoted(key)} IN (SELECT id FROM {NAMES[entity]} WHERE {within.of('number')})"
        rows = _newest(night, chosen, moment, of_whom)
        at = pc.index_in(ids, value_set=rows[key].combine_chunks())
        columns |= {chosen.as_of.output(name): rows[name].take(at) for name in chosen.names}
    return columns


def _of_pairs(
    night: Night,
    chosen: Chosen,
    service: FeatureService,
    encoder: FeatureEncoder,
    moment: datetime,
    among: Range,
    of_items: Mapping[str, pa.ChunkedArray],
) -> Joined:
    """A view of users with something that items have: themselves, or what another view tells of them."""
    user_key, other_key = chosen.view.keys
    if user_key != USER.key:
        raise ValueError(f"view {chosen.view.name}: pairs are found by user and then something of the item")
    held = of_items[chosen.as_of.found_by[1]]
    others = Names(held.drop_null())
    rows = _newest(night, chosen, moment, _of_users(user_key, among))
    users, things = night.users.numbers(rows[user_key]), others.numbers(rows[other_key])
    kept = np.flatnonzero((users >= 0) & (things >= 0))
    keys = users[kept] * len(others) + things[kept]
    order = np.argsort(keys, kind="stable")
    at = pa.array(np.r_[kept[order], -1], mask=np.r_[np.zeros(len(kept), np.bool_), True])
    columns = {chosen.as_of.output(name): rows[name].take(at) for name in chosen.names}
    _add_request_features(columns, service, moment)
    return Joined(part_of(encoder, pa.table(columns)), keys[order], others.numbers(held), max(len(others), 1))


def _newest(night: Night, chosen: Chosen, moment: datetime, of_whom: str) -> pa.Table:
    """The newest row of each key that the view tells by this moment and that is not too old then."""
    view = chosen.view
    since = days_before(night.ds, view.ttl.days + 2) if view.ttl and view.nightly else None
    rows = rows_of(night.engine, view.dataset, night.io.paths(view.dataset, since=since))
    keys = ", ".join(map(quoted, view.keys))
    values = ", ".join(map(quoted, [*view.keys, *chosen.names]))
    fresh = f"AND {EVENT_TS} >= {literal((moment - view.ttl).isoformat())}::TIMESTAMPTZ" if view.ttl else ""
    return night.engine.sql(
        f"""SELECT {values} FROM {rows} WHERE available_ts <= {literal(moment.isoformat())}::TIMESTAMPTZ {fresh}
        AND {of_whom} QUALIFY row_number() OVER (PARTITION BY {keys}
        ORDER BY {EVENT_TS} DESC, available_ts DESC) = 1"""
    ).to_arrow_table()


def _add_request_features(columns: Columns, service: FeatureService, moment: datetime) -> None:
    """Those features of the request that these columns are enough for."""
    for feature in service.on_request:
        if all(given.name in columns for given in feature.inputs):
            inputs = [columns[given.name].combine_chunks() for given in feature.inputs]
            moments = pa.array([moment] * len(inputs[0]), pa.timestamp("us", tz="UTC"))
            columns[feature.name] = pa.chunked_array([feature.compute(moments, *inputs)])
