"""What the towers learn from: night by night, who then wanted something new, and what was known of them before.

An example is a user at the end of a night. Known are the user's history up to it and the features of users and items of
that very night; right is what the user wanted after it, on the day for which that night's lists were made, and had not
wanted before.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from daybreak.features.encoder import Encoded, FeatureEncoder
from training.data.histories import Histories, histories_at
from training.data.ids import Ints
from training.data.nights import Mask, NightFeatures
from training.data.wants import Floats, Wants

VALUE = 0.5
"""How much better a want of more weight is remembered."""


@dataclass(frozen=True)
class TowerEncoders:
    """How the features of users and of items become numbers."""

    users: FeatureEncoder
    items: FeatureEncoder

    def encode(self, features: NightFeatures) -> tuple[Encoded, Encoded]:
        return self.users.encode(features.users), self.items.encode(features.items)

    @classmethod
    def fit(cls, nights: list[NightFeatures]) -> TowerEncoders:
        users, items = [night.users for night in nights], [night.items for night in nights]
        return cls(FeatureEncoder.fit(users, users[0].column_names), FeatureEncoder.fit(items, items[0].column_names))


@dataclass(frozen=True)
class TowerNight:
    """The examples of one night. `wanted` holds what each user wanted next, with `weights`: those of example e stand at
    starts[e] to starts[e + 1]. Of items, `unmet` tells who is a newcomer, and `absent` who was not there yet."""

    night: int
    users: Ints
    histories: Histories
    starts: Ints
    wanted: Ints
    weights: Floats
    user_inputs: Encoded
    item_inputs: Encoded
    unmet: Mask
    absent: Mask

    def __len__(self) -> int:
        return len(self.users)


def tower_night(
    night: int, wants: Wants, user_inputs: Encoded, item_inputs: Encoded, unmet: Mask, absent: Mask
) -> TowerNight | None:
    """The examples of a night; None where nobody wanted anything new on the day after. What was wanted is there."""
    histories = histories_at(night, wants)
    users, wanted, weights = new_wants(night, wants, histories)
    if not len(users):
        return None
    distinct, starts = np.unique(users, return_index=True)
    return TowerNight(
        night,
        distinct,
        histories.of_rows(distinct),
        np.r_[starts, len(users)],
        wanted,
        weights,
        user_inputs.of_rows(distinct),
        item_inputs,
        unmet,
        absent & ~np.isin(np.arange(wants.n_items), wanted),
    )


def new_wants(night: int, wants: Wants, histories: Histories, days: int = 1) -> tuple[Ints, Ints, Floats]:
    """What users wanted in the days after a night and had not wanted by then: user, item and weight, each pair once."""
    later = wants.where((wants.moments >= night + 1) & (wants.moments < night + 1 + days))
    keys = later.users * wants.n_items + later.items
    order = np.argsort(keys, kind="stable")
    distinct, first = np.unique(keys[order], return_index=True)
    weights = np.add.reduceat(later.weights[order], first) if len(distinct) else np.zeros(0, np.float32)
    users = np.repeat(np.arange(len(histories)), histories.sizes)
    new = ~np.isin(distinct, users * wants.n_items + histories.items)
    found, items = np.divmod(distinct[new], max(wants.n_items, 1))
    return found, items, weights[new].astype(np.float32)


def remembered_weights(histories: Histories, half_life_days: float) -> Floats:
    """How much each entry of a history counts in a user's memory: more by its weight, less with age, and less the more
    there are."""
    fresh = histories.strengths(half_life_days, VALUE)
    totals = np.add.reduceat(np.r_[fresh, 0.0], histories.starts[:-1]) * (histories.sizes > 0)
    return (fresh / np.sqrt(np.maximum(np.repeat(totals, histories.sizes), 1e-9))).astype(np.float32)


def as_newcomers(encoder: FeatureEncoder, table: pa.Table, counted: str) -> Encoded:
    """Rows as if nothing had been counted of them yet: without the features whose names begin with `counted`."""
    blank = table
    for place, name in enumerate(table.column_names):
        if name.startswith(counted):
            blank = blank.set_column(place, name, pa.nulls(len(table), table.schema.field(name).type))
    return encoder.encode(blank)


def first_rows(inputs: Encoded, count: int = 256) -> Encoded:
    """Some rows, to look at."""
    return Encoded(inputs.numbers[:count], inputs.words[:count], inputs.vectors[:count])
