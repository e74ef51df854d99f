"""Who lives in the world: each user's traits and life, as closed forms of the user's number.

Users 0 .. world.users-1 are there on the first day; after that `daily_signups` join each day, in order.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from daybreak.clock import DAY_US
from daybreak.draws import Flags, Floats, Ints, part, pick, stream, uniform, words
from daybreak.world.parameters import World
from daybreak.world.vocabulary import COUNTRIES, COUNTRY_WEIGHTS, DEVICE_WEIGHTS, SEGMENT_WEIGHTS, SEGMENTS

NOBODY = -1
LONGEST_MEMBERSHIP = 730
LEAVE_WITHIN = 400
CHANGE_WITHIN = 300
FLATTEST_ACTIVITY = 0.05
LAST_SIGNUP_US = 23 * 3_600_000_000  # so that a first visit still fits into its day
YOUNG, OLD = 0, len(SEGMENTS) - 1


@dataclass(frozen=True)
class Users:
    """Some users as they are on one day. Schools and companies are numbers, NOBODY where there is none."""

    index: Ints
    joined: Ints
    segment: Ints
    country: Ints
    school: Ints
    first_company: Ints
    company: Ints
    device: Ints
    leaves: Ints

    def active(self, offset: int) -> Flags:
        """Who has joined by the end of that day and has not left by then."""
        return (self.joined <= offset) & (self.leaves > offset)


def schools_in(world: World) -> int:
    """Schools in each country."""
    return max(1, world.users // (150 * len(COUNTRIES)))


def companies_of(world: World) -> int:
    return max(3, world.users // 100)


def users_at(world: World, index: Ints, offset: int) -> Users:
    """Those users as they are at the end of that day."""
    joined = joined_offset(world, index)
    country = weighted(stream(world.seed, "country"), index, COUNTRY_WEIGHTS)
    first_company = _company(world, index, "company")
    settled = np.maximum(joined, 0)
    changes_job = settled + 1 + pick(stream(world.seed, "changes job"), index, CHANGE_WITHIN)
    changes_device = settled + 1 + pick(stream(world.seed, "changes device"), index, CHANGE_WITHIN)
    first_device = weighted(stream(world.seed, "device"), index, DEVICE_WEIGHTS)
    next_device = weighted(stream(world.seed, "next device"), index, DEVICE_WEIGHTS)
    return Users(
        index=index,
        joined=joined,
        segment=segment_of(world, index, joined),
        country=country,
        school=_school(world, index, country),
        first_company=first_company,
        company=np.where(offset >= changes_job, _company(world, index, "next company"), first_company),
        device=np.where(offset >= changes_device, next_device, first_device),
        leaves=settled + 3 + pick(stream(world.seed, "leaves"), index, LEAVE_WITHIN),
    )


def joined_offset(world: World, index: Ints) -> Ints:
    """The day each user joined on; before 0 for those who are there when the world begins."""
    recent = uniform(stream(world.seed, "joined"), index)
    before = -1 - (recent * recent * LONGEST_MEMBERSHIP).astype(np.int64)
    later = 1 + (index - world.users) // world.daily_signups
    return np.where(index < world.users, before, later)


def signup_us(world: World, users: Users) -> Ints:
    """The moment each user joined, in microseconds since 1970."""
    in_day = uniform(stream(world.seed, "signup time"), users.index) * LAST_SIGNUP_US
    return world.start_us + users.joined * DAY_US + in_day.astype(np.int64)


def activity(world: World, users: Users, offset: int) -> Floats:
    """How often each user visits, beside others; 0 for those who are not there."""
    own = 1.0 / (FLATTEST_ACTIVITY + uniform(stream(world.seed, "activity"), users.index))
    shift = world.drifted("segment_shift", offset)
    own = np.where(users.segment == YOUNG, own * (1.0 + 3.0 * shift), own)
    own = np.where(users.segment == OLD, own / (1.0 + 2.0 * shift), own)
    return np.where(users.active(offset), own, 0.0)


def weighted(of: int, counters: Ints, weights: tuple[int, ...]) -> Ints:
    """An index for each counter, drawn in proportion to the weights."""
    bounds = np.cumsum(np.array(weights, dtype=np.int64))
    return np.searchsorted(bounds, pick(of, counters, int(bounds[-1])), side="right").astype(np.int64)


def segment_of(world: World, index: Ints, joined: Ints) -> Ints:
    """Each user's age band, given the day of joining."""
    segment = weighted(stream(world.seed, "segment"), index, SEGMENT_WEIGHTS)
    begin = min((world.offset(d.day) for d in world.drifts if d.name == "segment_shift"), default=None)
    if begin is None:
        return segment
    young = uniform(stream(world.seed, "young wave"), index) < 0.7
    return np.where((joined >= max(begin, 1)) & young, YOUNG, segment)


def _school(world: World, index: Ints, country: Ints) -> Ints:
    """Schools are in one country each, and some are larger than others."""
    bits = words(stream(world.seed, "school"), index)
    skewed = part(bits, 0) * part(bits, 1) * schools_in(world)
    school = country * schools_in(world) + skewed.astype(np.int64)
    return np.where(part(bits, 2) < 0.1, NOBODY, school)


def _company(world: World, index: Ints, purpose: str) -> Ints:
    bits = words(stream(world.seed, purpose), index)
    company = (part(bits, 0) * part(bits, 1) * companies_of(world)).astype(np.int64)
    return np.where(part(bits, 2) < 0.2, NOBODY, company)
