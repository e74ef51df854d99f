"""Small worlds of groups, as arrays and as tables of a lake, whose right lists follow by reasoning.

Each day a user wants five items of the own group, three of them new: one after another, in the order of their numbers.
What the features of a user or an item tell is the group. Nobody wants the newcomers, which have features all the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from daybreak.clock import end_of
from daybreak.datasets import ITEMS, USERS
from daybreak.features.partials import COUNTS, ITEM_DAYS, PAIR_DAYS, SUMS, USER_DAYS
from daybreak.features.services import TWO_TOWER
from daybreak.interest import WEIGHTS
from daybreak.lake import Lake
from daybreak.lake.schemas import ARROW_TYPES
from tests.lake import land, put, put_days
from tests.tiny import Row, TinyWorld, day
from training.data.ids import IdMap
from training.data.nights import NightFeatures
from training.data.wants import Wants, number_of
from training.retrieval import HeldOut, NightView, held_out, view_at

WIDTH = 4
"""The length of a text's vector."""


@dataclass(frozen=True)
class GroupWorld(TinyWorld):
    """A world in which there is always something new to want, for ten days."""

    items: int = 40
    days: int = 10
    newcomers: int = 0

    @property
    def users_map(self) -> IdMap:
        return IdMap([self.user(g, n) for g in range(self.groups) for n in range(self.users)])

    @property
    def items_map(self) -> IdMap:
        return IdMap([self.item(g, n) for g in range(self.groups) for n in range(self.items + self.newcomers)])

    def is_newcomer(self, item: str) -> bool:
        return int(item.partition("-")[2]) >= self.items

    def wants(self, days: int | None = None) -> Wants:
        """What the events of the first days say."""
        told = [(row, WEIGHTS[row["event_type"]]) for d in range(days or self.days) for row in self.events(d)]
        return wants_from(
            [(row["user_id"], row["item_id"], number_of(row["event_ts"][:10]) + 0.5, weight) for row, weight in told],
            self.users_map,
            self.items_map,
        )

    def features(self, night: int) -> NightFeatures:
        """What was known of users and items at the end of a night, under the names that features come out by."""
        return NightFeatures(
            _table(self.user_rows(night), self.users_map, "user_id"),
            _table(self.item_rows(night), self.items_map, "item_id"),
        )

    def user_rows(self, night: int) -> list[Row]:
        views = Counter(row["user_id"] for d in range(night + 1) for row in self.events(d))
        return [
            {
                "user_id": user,
                "user_profile__country": ("DE", "FR", "IT", "ES")[group_of(user)],
                "user_profile__company": None,
                "user_activity__views_7d": views[user] or None,
            }
            for user in self.users_map.ids.to_pylist()
        ]

    def item_rows(self, night: int) -> list[Row]:
        interest: Counter[str] = Counter()
        for row in (row for d in range(night + 1) for row in self.events(d)):
            interest[row["item_id"]] += WEIGHTS[row["event_type"]]
        return [
            {
                "item_id": item,
                "item_catalogue__category": f"group-{group_of(item)}",
                "item_catalogue__price": 1.5 * int(item.partition("-")[2]),
                "item_activity__interest_7d": interest[item] or None,
                "item_text__text_vector": [float(group_of(item) == place) for place in range(WIDTH)],
            }
            for item in self.items_map.ids.to_pylist()
        ]

    def view(self, night: int, *, with_features: bool = False) -> NightView:
        features = self.features(night) if with_features else None
        return view_at(number_of(day(night)), self.wants(), self.users_map, self.items_map, features)

    def wanted_after(self, night: int, days: int = 1, *, with_features: bool = False) -> HeldOut:
        """What users newly wanted after a night."""
        return held_out(self.view(night, with_features=with_features), self.wants(), days)

    def put(self, lake: Lake) -> None:
        """The world as it lies in a lake once every night was landed and counted."""
        since = f"{day(0)}T00:00:00Z"
        put(
            lake,
            USERS,
            day(0),
            [{"user_id": user, "updated_ts": since, "status": "active"} for user in self.users_map.ids.to_pylist()],
        )
        put(
            lake,
            ITEMS,
            day(0),
            [
                {"item_id": item, "updated_ts": since, "title": item, "status": "active"}
                for item in self.items_map.ids.to_pylist()
            ],
        )
        put_counted(lake, {night: self.events(night) for night in range(self.days)})

    def put_features(self, lake: Lake, nights: Sequence[int]) -> None:
        """The features of these nights, as the steps that make them would have written them."""
        for chosen in TWO_TOWER.chosen:
            view, key = chosen.view, chosen.view.keys[0]
            rows = self.user_rows if key == "user_id" else self.item_rows
            prefix = f"{view.name}__"
            put_days(
                lake,
                view.dataset,
                {
                    day(night): [
                        {
                            key: row[key],
                            "event_ts": end_of(day(night)),
                            "available_ts": end_of(day(night)),
                            "ds": day(night),
                            **{name.removeprefix(prefix): row[name] for name in row if name.startswith(prefix)},
                        }
                        for row in (rows(night) if view.nightly or night == nights[0] else [])
                    ]
                    for night in nights
                },
            )


def group_of(name: str) -> int:
    """The group of a user or an item."""
    return int(name[1:].partition("-")[0])


def wants_from(told: Sequence[tuple[str, str, float, float]], users: IdMap, items: IdMap) -> Wants:
    """Wants that are told by user, item, moment and weight."""
    names = [pa.array([row[place] for row in told], pa.string()) for place in range(2)]
    moments, weights = (np.array([row[place] for row in told], np.float64) for place in (2, 3))
    return Wants.of(
        users.rows(names[0]), items.rows(names[1]), moments, weights.astype(np.float32), len(users), len(items)
    )


def put_counted(lake: Lake, nights: Mapping[int, Sequence[Row]]) -> None:
    """What `jobs.partials` would count of the events that nights delivered, and the accounts of these nights."""
    for dataset, keys in ((PAIR_DAYS, ("user_id", "item_id")), (USER_DAYS, ("user_id",)), (ITEM_DAYS, ("item_id",))):
        put_days(lake, dataset, {day(night): counted(rows, keys) for night, rows in nights.items()})
    land(lake, *(day(night) for night in nights))


def counted(events: Sequence[Row], keys: tuple[str, ...]) -> list[Row]:
    """A row for each of the keys and day."""
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for event in events:
        happened = event["event_ts"][:10]
        of = tuple(event[key] for key in keys)
        row = rows.setdefault(
            (*of, happened), {**dict(zip(keys, of, strict=True)), "day": happened, **dict.fromkeys(SUMS, 0)}
        )
        weight = WEIGHTS.get(event["event_type"], 0)
        row[COUNTS[event["event_type"]]] += 1
        row["interest"] += weight
        for name, counts in (
            ("last_ts", True),
            ("last_interest_ts", weight > 0),
            ("last_purchase_ts", event["event_type"] == "purchase"),
        ):
            if counts:
                row[name] = max(row.get(name, ""), event["event_ts"])
    return list(rows.values())


def _table(rows: list[Row], ids: IdMap, key: str) -> pa.Table:
    """Rows in the order of the ids, with the types that the views declare."""
    types = {
        chosen.as_of.output(name): ARROW_TYPES[chosen.view.dataset.column(name).type]
        for chosen in TWO_TOWER.chosen
        for name in chosen.names
    }
    assert [row[key] for row in rows] == ids.ids.to_pylist()
    return pa.table({name: pa.array([row[name] for row in rows], types[name]) for name in rows[0] if name != key})
