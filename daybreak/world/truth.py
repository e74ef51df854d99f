"""The latent truth of a simulated world: what showing an item to a user is really worth.

It is worked out from the world's parameters, which a simulation leaves in `world.json`, and follows the same chances as
the simulated behaviour. Nothing of the night may read it; it is there to judge lists by.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from daybreak.draws import Floats, Ints
from daybreak.errors import InputError
from daybreak.world.behaviour import looked_at, purchases_if_seen
from daybreak.world.catalogue import catalogue_at
from daybreak.world.parameters import WORLD_FILE, World, known_world
from daybreak.world.population import users_at
from daybreak.world.taste import liking, tastes_at


@dataclass(frozen=True)
class Truth:
    """What is true in one world."""

    world: World

    def expected_value(
        self, users: Sequence[str], items: Sequence[str], day: date, positions: Sequence[int] | int = 0
    ) -> Floats:
        """The purchases to expect from showing `items[k]` to `users[k]` at `positions[k]` on that day, for every k.

        It is 0 where the user has not joined or has left, and where the item is not on offer.
        """
        offset = self._offset(day)
        if len(users) != len(items):
            raise InputError(f"expected an item for each of {len(users):,} users, found {len(items):,} items")
        who = _indexes(users, "u", self.world.users_by(offset))
        what = _indexes(items, "i", self.world.items_by(offset))
        there = users_at(self.world, who, offset)
        catalogue = catalogue_at(self.world, offset)
        liked = liking(tastes_at(self.world, there, offset), catalogue, what)
        value = looked_at(np.asarray(positions, dtype=np.int64)) * purchases_if_seen(liked)
        return np.where(there.active(offset) & catalogue.offered[what], value, 0.0)

    def offered(self, day: date) -> list[str]:
        """The items on offer on that day."""
        return [f"i{index + 1}" for index in np.flatnonzero(catalogue_at(self.world, self._offset(day)).offered)]

    def _offset(self, day: date) -> int:
        offset = self.world.offset(day)
        if offset < 0:
            raise InputError(f"the world begins on {self.world.start}; there is no truth about {day}")
        return offset


def open_truth(folder: Path) -> Truth:
    """The truth of the world that was simulated into this home's `world` folder."""
    world = known_world(folder)
    if world is None:
        raise InputError(
            f"there is no {folder / WORLD_FILE}: the truth is known only of a world made by `daybreak simulate`"
        )
    return Truth(world)


def _indexes(ids: Sequence[str], prefix: str, known: int) -> Ints:
    """The numbers that ids such as u1 stand for, from 0."""
    index = np.empty(len(ids), dtype=np.int64)
    for place, name in enumerate(ids):
        number = name.removeprefix(prefix)
        if number == name or not number.isdecimal() or not 1 <= int(number) <= known:
            raise InputError(
                f"an id of the simulated world is {prefix}1 to {prefix}{known} by that day, found '{name}'"
            )
        index[place] = int(number) - 1
    return index
