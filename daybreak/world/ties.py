"""The social graph as a closed form: who ties with whom, and on which day.

A user makes some first ties, each in a setting shared with the other (school, company or country) and with whoever of
a few candidates has the nearest taste. Triangles close on top: someone ties with a friend of a friend, over two first
ties that are older. So a day's ties need no graph to be kept or replayed. First ties lead to the users who are there on
the first day; those who join later tie with them, and with each other only by closing triangles.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from daybreak.draws import Flags, Floats, Ints, below, part, stream, words
from daybreak.world.parameters import World
from daybreak.world.population import NOBODY, Users, joined_offset, segment_of, users_at
from daybreak.world.taste import settled_category, style_on

MOST_TIES = 24
CANDIDATES = 3
AT_SCHOOL, AT_WORK, IN_COUNTRY = 0.45, 0.75, 0.95
FIRST_TIE_AT_ONCE = 0.75
LATER_WITHIN = 120
FOLLOW_SHARE = 0.15


@dataclass(frozen=True)
class Circle:
    """The first users by a trait: `members[edges[v]:edges[v + 1]]` have value v."""

    members: Ints
    edges: Ints

    def draw(self, value: Ints, chance: Floats) -> Ints:
        """A member of each value's circle; NOBODY where it is empty or the value is NOBODY."""
        low, high = self.edges[value], self.edges[value + 1]
        place = low + (chance * (high - low)).astype(np.int64)
        member = self.members[np.minimum(place, self.members.size - 1)]
        return np.where((value == NOBODY) | (low == high), NOBODY, member)


@dataclass(frozen=True)
class Circles:
    """What the first users share with each other."""

    school: Circle
    company: Circle
    country: Circle


@lru_cache(maxsize=2)
def circles_of(world: World) -> Circles:
    """The circles of those who are there on the first day."""
    users = users_at(world, np.arange(world.users, dtype=np.int64), 0)
    return Circles(_circle(users.school), _circle(users.first_company), _circle(users.country))


def tie_count(world: World, index: Ints) -> Ints:
    """How many first ties each user makes, sooner or later: most a few, some many."""
    chance = part(words(stream(world.seed, "tie count"), index), 0)
    return np.minimum(MOST_TIES, 1 + (1.5 / (0.06 + chance)).astype(np.int64))


def tie_offset(world: World, index: Ints, number: Ints) -> Ints:
    """The day each first tie is made: at once (the day the user joins, or before the first), or in later weeks."""
    bits = words(stream(world.seed, "tie day"), index * MOST_TIES + number)
    later = np.where(part(bits, 0) < FIRST_TIE_AT_ONCE, 0, 1 + below(bits, LATER_WITHIN))
    return np.maximum(joined_offset(world, index), 0) + later


def tie_target(world: World, index: Ints, number: Ints) -> Ints:
    """With whom each first tie is made; may be the user, which is no tie."""
    users = users_at(world, index, 0)
    own = _standing(world, index)
    counters = index * MOST_TIES + number
    setting = part(words(stream(world.seed, "tie setting"), counters), 0)
    best = np.full(index.size, NOBODY)
    nearest = np.full(index.size, -100.0)
    for n in range(CANDIDATES):
        candidate = _candidate(world, users, setting, part(words(stream(world.seed, "tie with", n), counters), 1))
        nearness = _nearness(own, _standing(world, candidate))
        nearness = np.where(candidate == index, -50.0, nearness)
        best = np.where(nearness > nearest, candidate, best)
        nearest = np.maximum(nearness, nearest)
    return best


def is_follow(world: World, index: Ints, number: Ints) -> Flags:
    """Whether a first tie is a follow rather than a friendship."""
    return part(words(stream(world.seed, "tie kind"), index * MOST_TIES + number), 3) < FOLLOW_SHARE


def _candidate(world: World, users: Users, setting: Floats, chance: Floats) -> Ints:
    """Someone from the setting of each tie; from the country or from anywhere where the setting has nobody."""
    circles = circles_of(world)
    at_school = circles.school.draw(users.school, chance)
    at_work = circles.company.draw(users.first_company, chance)
    in_country = circles.country.draw(users.country, chance)
    found = np.where(setting < AT_SCHOOL, at_school, np.where(setting < AT_WORK, at_work, in_country))
    found = np.where(found == NOBODY, in_country, found)
    anywhere = (chance * world.users).astype(np.int64)
    return np.where((setting >= IN_COUNTRY) | (found == NOBODY), anywhere, found)


def _standing(world: World, index: Ints) -> tuple[Ints, list[Floats]]:
    """Where each user's taste stood when the world began."""
    segment = segment_of(world, index, joined_offset(world, index))
    return settled_category(world, index, segment), style_on(world, index, 0)


def _nearness(one: tuple[Ints, list[Floats]], other: tuple[Ints, list[Floats]]) -> Floats:
    """How near two tastes are: the same anchor category counts most."""
    near: Floats = 3.0 * (one[0] == other[0])
    for mine, yours in zip(one[1], other[1], strict=True):
        near -= np.abs(mine - yours) * 0.25
    return near


def _circle(trait: Ints) -> Circle:
    members = np.argsort(trait, kind="stable")
    values = np.arange(max(0, int(trait.max())) + 2)
    return Circle(members, np.searchsorted(trait[members], values))
