"""How often users must visit so that a mean day has the events asked for.

Both parts are counted in the world itself, as whole numbers, so that small and odd worlds are as busy as large ones.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from daybreak.draws import chunks
from daybreak.world.catalogue import catalogue_at
from daybreak.world.happenings import happenings
from daybreak.world.parameters import World
from daybreak.world.population import activity, users_at
from daybreak.world.visits import begun

SAMPLED_VISITS = 4_096
USERS_AT_ONCE = 65_536
FRACTION = 2**20


@lru_cache(maxsize=8)
def pace_of(world: World) -> float:
    """Visits a day for each unit of activity: `events_per_day` over the events of a visit and the activity of all."""
    return world.events_per_day / (events_a_visit(world) * total_activity(world))


def events_a_visit(world: World) -> float:
    """The mean, over a sample of visits on the first day."""
    number = np.arange(SAMPLED_VISITS, dtype=np.int64)
    visits = begun(world, number % world.users, number // world.users, 0, again=False)
    return sum(block.visit.size for block in happenings(world, visits, catalogue_at(world, 0))) / SAMPLED_VISITS


def total_activity(world: World) -> float:
    """The activity of all who are there on the first day, summed in fractions so that no rounding depends on order."""
    total = 0
    for index in chunks(world.users, USERS_AT_ONCE):
        users = users_at(world, index, 0)
        total += int((activity(world, users, 0) * FRACTION).astype(np.int64).sum())
    return total / FRACTION
