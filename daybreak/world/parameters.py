"""What a world is made from. Two worlds with equal parameters are the same world, day by day and byte by byte."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

from daybreak.clock import DAY_US, parse_day
from daybreak.errors import InputError
from daybreak.world.drifts import Drift, parse_drift

FIRST_DAY = date(2026, 10, 22)
EVENTS_PER_USER = 25
MOST_USERS, MOST_ITEMS = 100_000_000, 2_000_000
MOST_EVENTS_PER_USER = 100_000
EPOCH, LATEST_START = date(1970, 1, 1), date(2999, 12, 31)
WORLD_FILE = "world.json"


@dataclass(frozen=True)
class World:
    """A world: its seed, its size on the first day, and the drifts that will strike it.

    It has no length: it can be simulated for as many days as wanted, and the first ten are the same whether ten or
    thirty are. Each day `daily_signups` users join and `daily_launches` items are launched.
    """

    seed: int
    users: int = 2_000
    items: int = 1_000
    start: date = FIRST_DAY
    events_per_day: int = 2_000 * EVENTS_PER_USER
    drifts: tuple[Drift, ...] = ()

    def __post_init__(self) -> None:
        bounds = {
            "seed": (self.seed, 0, 2**63 - 1),
            "users": (self.users, 2, MOST_USERS),
            "items": (self.items, 1, MOST_ITEMS),
            "events a day": (self.events_per_day, 1, self.users * MOST_EVENTS_PER_USER),
        }
        for name, (value, low, high) in bounds.items():
            if not low <= value <= high:
                raise InputError(f"a world's {name} must be between {low:,} and {high:,}, not {value:,}")
        if not EPOCH <= self.start <= LATEST_START:
            raise InputError(f"a world's first day must be between {EPOCH} and {LATEST_START}, not {self.start}")

    @cached_property
    def start_us(self) -> int:
        """Midnight of the first day, in microseconds since 1970, UTC."""
        return (self.start - EPOCH).days * DAY_US

    @property
    def daily_signups(self) -> int:
        return max(1, self.users // 250)

    @property
    def daily_launches(self) -> int:
        return max(1, self.items // 200)

    def offset(self, day: date) -> int:
        """Days since the first one, which is 0."""
        return (day - self.start).days

    def day(self, offset: int) -> date:
        return self.start + timedelta(days=offset)

    def midnight_us(self, offset: int) -> int:
        return self.start_us + offset * DAY_US

    def users_by(self, offset: int) -> int:
        """How many users have ever joined by the end of that day."""
        return self.users + max(0, offset) * self.daily_signups

    def items_by(self, offset: int) -> int:
        """How many items have ever been launched by the end of that day."""
        return self.items + max(0, offset) * self.daily_launches

    def drifted(self, name: str, offset: int) -> float:
        """How strongly that drift is felt on that day, from 0 to 1."""
        return max((drift.strength(self.day(offset)) for drift in self.drifts if drift.name == name), default=0.0)

    def to_json(self) -> dict[str, Any]:
        return {
            "seed": self.seed,
            "users": self.users,
            "items": self.items,
            "start": self.start.isoformat(),
            "events_per_day": self.events_per_day,
            "drifts": [str(drift) for drift in self.drifts],
        }


def world_from_json(values: dict[str, Any]) -> World:
    """The world that `World.to_json` described."""
    start = parse_day(values["start"])
    drifts = tuple(parse_drift(text, start) for text in values["drifts"])
    return World(
        values["seed"], values["users"], values["items"], start, events_per_day=values["events_per_day"], drifts=drifts
    )


def known_world(folder: Path) -> World | None:
    """The world that a simulation wrote down in its folder; None where none did."""
    path = folder / WORLD_FILE
    try:
        return world_from_json(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, AttributeError, InputError) as error:
        raise InputError(
            f"{path} does not describe a world ({error!r}): remove it and the deliveries that were simulated with it, "
            "and simulate again"
        ) from None
