"""Which dirt goes where: the switches a simulation is given, and a day's file made dirty by them."""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

import numpy as np

from daybreak.draws import stream, words
from daybreak.errors import InputError
from daybreak.world.dirt import DIRT, FAULTS, DirtKind, Row
from daybreak.world.drifts import day_of_world
from daybreak.world.parameters import World

DEFAULT_SHARE = 0.001


@dataclass(frozen=True)
class Dirt:
    """One kind of dirt: bad rows as a share of the good ones in each day's events file, or a fault of the file itself,
    where the share is of days. With `day`, on that day only.
    """

    name: str
    share: float
    day: date | None = None

    def __post_init__(self) -> None:
        if self.name not in DIRT and self.name not in FAULTS:
            raise InputError(f"no dirt is called '{self.name}'; there are: {', '.join((*DIRT, *FAULTS))}")
        if not 0 <= self.share <= 1:
            raise InputError(f"the share of dirt {self.name} must be between 0 and 1, not {self.share:g}")

    def strikes(self, day: date) -> bool:
        return self.share > 0 and self.day in (None, day)

    def __str__(self) -> str:
        return f"{self.name}={self.share:g}" + (f"@{self.day.isoformat()}" if self.day else "")


def parse_dirt(text: str, start: date) -> list[Dirt]:
    """`NAME[=SHARE][@DAY]`; the name `all_rows` stands for every kind of bad row."""
    head, at, when = text.partition("@")
    name, _, share_text = head.partition("=")
    try:
        share = float(share_text) if share_text else (1.0 if name in FAULTS else DEFAULT_SHARE)
    except ValueError:
        raise InputError(f"dirt '{text}' must be NAME[=SHARE][@DAY], such as negative_price=0.01@20") from None
    day = day_of_world(when, start) if at else None
    return [Dirt(kind, share, day) for kind in (DIRT if name == "all_rows" else (name,))]


def faults_on(world: World, offset: int, dirt: Iterable[Dirt]) -> list[str]:
    """The faults of that day's events file."""
    shares = _shares_on(world.day(offset), dirt, FAULTS)
    return [
        name
        for name, share in shares.items()
        if int(words(stream(world.seed, "fault", name), np.array([offset]))[0]) / 2**64 < share
    ]


def _shares_on(day: date, dirt: Iterable[Dirt], kinds: Container[str]) -> dict[str, float]:
    """How much of each of those kinds strikes on that day; where a kind is switched on twice, the larger share."""
    shares: dict[str, float] = {}
    for each in dirt:
        if each.name in kinds and each.strikes(day):
            shares[each.name] = max(each.share, shares.get(each.name, 0.0))
    return shares


class Soiler:
    """Adds bad rows to a day's events file, chunk by chunk, and keeps count of each kind."""

    def __init__(self, world: World, offset: int, dirt: Iterable[Dirt]) -> None:
        self._world, self._offset = world, offset
        self._shares = _shares_on(world.day(offset), dirt, DIRT)
        self._rows = 0
        self.counts: dict[str, int] = dict.fromkeys(self._shares, 0)

    def soil(self, text: bytes) -> bytes:
        """The chunk with bad rows spread through it; every good row stays as it is, in its place."""
        if not self._shares or not text:
            return text
        lines = text.splitlines(keepends=True)
        self._rows += len(lines)
        due = [(name, DIRT[name]) for name in self._shares for _ in range(self._due(name))]
        mixed: list[bytes] = []
        done = 0
        for number, (name, kind) in enumerate(due):
            upto = max(1, (number + 1) * len(lines) // (len(due) + 1))
            mixed += lines[done:upto]
            mixed.append(self._bad_line(name, kind, earlier=lines[(number * 7_919) % upto]))
            done = upto
        return b"".join((*mixed, *lines[done:]))

    def _due(self, name: str) -> int:
        """How many bad rows of a kind are still missing; a kind that strikes has at least one row per day."""
        return max(1, int(self._rows * self._shares[name])) - self.counts[name]

    def _bad_line(self, name: str, kind: DirtKind, earlier: bytes) -> bytes:
        number = self.counts[name]
        self.counts[name] += 1
        return kind.line(_good_row(self._world, self._offset, name, number), earlier)


def _good_row(world: World, offset: int, name: str, number: int) -> Row:
    """A purchase that keeps the contract, to be spoiled."""
    bits = [int(word) for word in words(stream(world.seed, "dirt", name, offset), number * 4 + np.arange(3))]
    day = world.day(offset)
    moment = datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(microseconds=bits[2] % 86_400_000_000)
    row: dict[str, Any] = {
        "event_id": f"dirt-{day:%Y%m%d}-{name}-{number + 1}",
        "event_ts": moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "user_id": f"u{bits[0] % world.users + 1}",
        "item_id": f"i{bits[1] % world.items + 1}",
        "event_type": "purchase",
        "session_id": f"dirt-{day:%Y%m%d}-{name}-{number + 1}",
        "surface": "for_you",
        "position": number % 10,
        "price": 19.9,
        "device": "web",
    }
    return row
