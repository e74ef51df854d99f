"""Who visits on a day, when, and in which days' files the visit is delivered.

Visits of a day are made for any set of users alone, so that a day of a million users is made chunk by chunk, and the
few visits of earlier days that arrive late are made without the rest of those days.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np

from daybreak.clock import DAY_US
from daybreak.datasets import LATE_DAYS
from daybreak.draws import Ints, Words, below, numbered, part, stream, uniform, words
from daybreak.world.parameters import World
from daybreak.world.population import Users, activity, signup_us, users_at

LONGEST_VISIT_US = 2_100_000_000
VISITS_A_DAY = 65_536
# Monday to Sunday, with a mean of 1.
WEEKDAY_FACTORS = (0.92, 0.90, 0.93, 0.97, 1.05, 1.16, 1.07)
HOURS_WORKDAY = (5, 3, 2, 1, 1, 2, 6, 12, 14, 12, 11, 12, 16, 14, 11, 11, 13, 18, 24, 30, 34, 30, 20, 10)
HOURS_WEEKEND = (9, 6, 4, 2, 1, 1, 3, 6, 11, 17, 22, 24, 24, 23, 23, 22, 22, 23, 25, 27, 28, 25, 18, 12)
LATE_SHARE, RESENT_SHARE = 0.03, 0.004
ON_TIME, NEVER = 0, -1


@dataclass(frozen=True)
class Visits:
    """Some visits of one day, beginning `start_us` after midnight.

    `number` counts a user's visits of the day, and `code` names the visit among all of the day. `again` tells that
    these visits are delivered for the second time.
    """

    offset: int
    users: Users
    number: Ints
    code: Ints
    start_us: Ints
    again: bool


def delivered_on(world: World, index: Ints, offset: int, pace: float) -> list[Visits]:
    """The visits of those users that the files of that day hold, by the day they happened on.

    `pace` is how often a user of activity 1 visits on a day of the usual kind.
    """
    return [
        visits
        for lag in range(min(LATE_DAYS, offset) + 1)
        for visits in _delivered(world, index, offset - lag, lag, pace)
        if visits.number.size
    ]


def begun(world: World, user: Ints, number: Ints, offset: int, *, again: bool) -> Visits:
    """Those visits with the moment each begins: by the hours of the day, and after the user has joined."""
    users = users_at(world, user, offset)
    code = user * VISITS_A_DAY + number
    weekend = world.day(offset).weekday() >= 5
    weights = np.array(HOURS_WEEKEND if weekend else HOURS_WORKDAY, dtype=np.int64)
    reach = np.cumsum(weights)
    bits = words(stream(world.seed, "start", offset), code)
    hour = np.searchsorted(reach, below(bits, int(reach[-1])), side="right")
    in_day = (hour + (bits & np.uint64(0xFFFFFFFF)).astype(np.float64) * 2.0**-32) / 24.0
    begin = np.maximum(signup_us(world, users) - world.midnight_us(offset), 0)
    start = begin + ((DAY_US - LONGEST_VISIT_US - begin) * in_day).astype(np.int64)
    return Visits(offset, users, number, code, start, again)


def busyness(world: World, offset: int) -> float:
    """How busy that day is beside a mean one: by its weekday, and by a drift."""
    return weekday_factor(world.day(offset)) * (1.0 - 0.6 * world.drifted("traffic_drop", offset))


def weekday_factor(day: date) -> float:
    return WEEKDAY_FACTORS[day.weekday()]


def _delivered(world: World, index: Ints, happened: int, lag: int, pace: float) -> list[Visits]:
    """The visits of day `happened` that are delivered `lag` days later: those first sent then, those sent again."""
    owner, number = _numbered(world, index, happened, pace)
    user = index[owner]
    sent, resent = _lags(words(stream(world.seed, "lag", happened), user * VISITS_A_DAY + number))
    first, second = sent == lag, resent == lag
    return [
        begun(world, user[first], number[first], happened, again=False),
        begun(world, user[second], number[second], happened, again=True),
    ]


def _numbered(world: World, index: Ints, offset: int, pace: float) -> tuple[Ints, Ints]:
    """For each visit of that day: the place of its user in `index`, and which of the user's visits it is."""
    rate = activity(world, users_at(world, index, offset), offset) * pace * busyness(world, offset)
    count = (rate + uniform(stream(world.seed, "visits", offset), index)).astype(np.int64)
    return numbered(np.minimum(count, VISITS_A_DAY - 1))


def _lags(bits: Words) -> tuple[Ints, Ints]:
    """How many days after it happened each visit is sent, and sent again (NEVER for nearly all)."""
    late = 1 + (part(bits, 0) * LATE_DAYS).astype(np.int64)
    sent = np.where(part(bits, 1) < LATE_SHARE, late, ON_TIME)
    again = sent + (part(bits, 2) * (LATE_DAYS + 1 - sent)).astype(np.int64)
    return sent, np.where(part(bits, 3) < RESENT_SHARE, again, NEVER)
