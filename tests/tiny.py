"""A tiny world whose right recommendations follow by reasoning.

Users and items are split into groups; a user touches only items of the own group, each day a few of them. So the
items that co-occur with an item are those of its group, and a user's list should begin with items of the user's
group.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from typing import Any

FIRST = date(2026, 11, 1)
Row = dict[str, Any]


def day(number: int) -> str:
    """The day of that number, from 0."""
    return (FIRST + timedelta(days=number)).isoformat()


def deliver(landing: Path, dataset: str, ds: str, rows: Iterable[Row | str], name: str = "part-00000.jsonl.gz") -> Path:
    """Writes rows (or raw lines) as a delivered file."""
    path = landing / dataset / f"ds={ds}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    text = "".join((row if isinstance(row, str) else json.dumps(row, ensure_ascii=False)) + "\n" for row in rows)
    path.write_bytes(gzip.compress(text.encode(), mtime=0) if name.endswith(".gz") else text.encode())
    return path


def event(number: int | str, ds: str, user: str, item: str, kind: str = "view", **more: Any) -> Row:
    """One event at noon of a day."""
    return {
        "event_id": f"e{number}",
        "event_ts": f"{ds}T12:00:00.000000Z",
        "user_id": user,
        "item_id": item,
        "event_type": kind,
        **more,
    }


@dataclass(frozen=True)
class TinyWorld:
    """`groups` groups of `users` users and `items` items each."""

    groups: int = 3
    users: int = 8
    items: int = 12
    days: int = 4

    def user(self, group: int, number: int) -> str:
        return f"u{group}-{number}"

    def item(self, group: int, number: int) -> str:
        return f"i{group}-{number}"

    def write(self, landing: Path) -> None:
        """Delivers every day of the world."""
        first = day(0)
        pairs = [(g, n) for g in range(self.groups) for n in range(self.users)]
        deliver(
            landing,
            "users",
            first,
            [
                {"user_id": self.user(g, n), "updated_ts": f"{first}T00:00:00Z", "country": "DE", "status": "active"}
                for g, n in pairs
            ],
        )
        deliver(
            landing,
            "items",
            first,
            [
                {
                    "item_id": self.item(g, n),
                    "updated_ts": f"{first}T00:00:00Z",
                    "title": f"Item {n} of group {g}",
                    "category": f"group-{g}",
                    "price": 1.5 * (n + 1),
                    "status": "active",
                }
                for g in range(self.groups)
                for n in range(self.items)
            ],
        )
        for number in range(self.days):
            deliver(landing, "events", day(number), self.events(number))

    def events(self, number: int) -> list[Row]:
        """The events of a day: each user views four items of the own group and buys one."""
        ds, rows = day(number), []
        for g in range(self.groups):
            for n in range(self.users):
                for k in range(5):
                    item = self.item(g, (n * 5 + number * 3 + k) % self.items)
                    kind = "purchase" if k == 0 else "view"
                    rows.append(event(f"{number}-{g}-{n}-{k}", ds, self.user(g, n), item, kind))
        return rows
