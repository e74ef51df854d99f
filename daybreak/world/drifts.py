"""The ways in which the world can change its mind from a given day on."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, timedelta

from daybreak.clock import parse_day
from daybreak.errors import InputError

NUMBER_OF_DAY = re.compile("[1-9][0-9]{0,5}")


@dataclass(frozen=True)
class DriftKind:
    """One way to drift: what it does, and over how many days it comes to its full strength."""

    doc: str
    ramp_days: int = 1


DRIFTS: dict[str, DriftKind] = {
    "taste_shift": DriftKind("six users in ten like another category and the opposite style, overnight"),
    "gradual_shift": DriftKind("the same, spreading evenly through the users over twenty days", ramp_days=20),
    "category_boom": DriftKind("one category is shown six times as often, and liked more"),
    "price_change": DriftKind("half of the categories cost 40% more"),
    "segment_shift": DriftKind(
        "the youngest come four times as often, the oldest a third, and most who join are young"
    ),
    "traffic_drop": DriftKind("six visits in ten stay away"),
}


@dataclass(frozen=True)
class Drift:
    """One drift and the first day it is felt."""

    name: str
    day: date

    def __post_init__(self) -> None:
        if self.name not in DRIFTS:
            raise InputError(f"no drift is called '{self.name}'; there are: {', '.join(DRIFTS)}")

    def strength(self, on: date) -> float:
        """From 0, the day before it begins, to 1."""
        elapsed = (on - self.day).days + 1
        return min(1.0, max(0, elapsed) / DRIFTS[self.name].ramp_days)

    def __str__(self) -> str:
        return f"{self.name}@{self.day.isoformat()}"


def parse_drift(text: str, start: date) -> Drift:
    """`NAME@DAY`, where DAY is a date or the number of a day of the world, from 1."""
    name, at, when = text.partition("@")
    if not at or not when:
        raise InputError(f"drift '{text}' must be NAME@DAY, such as taste_shift@20 or taste_shift@2026-11-10")
    return Drift(name, day_of_world(when, start))


def day_of_world(text: str, start: date) -> date:
    """The day that a date names, or the number of a day of the world, from 1."""
    if NUMBER_OF_DAY.fullmatch(text):
        return start + timedelta(days=int(text) - 1)
    return parse_day(text)
