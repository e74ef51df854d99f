"""New and changed users of a day, as JSON lines."""

from __future__ import annotations

from functools import cache

import numpy as np

from daybreak.clock import DAY_US
from daybreak.draws import Ints, stream, uniform
from daybreak.world.lines import Piece, Texts, numbers, render, text_table, timestamps
from daybreak.world.parameters import World
from daybreak.world.population import Users, companies_of, schools_in, signup_us, users_at
from daybreak.world.vocabulary import (
    COMPANY_ENDS,
    COMPANY_STARTS,
    COUNTRIES,
    DEVICES,
    SCHOOL_KINDS,
    SCHOOL_TOWNS,
    SEGMENTS,
)


def changed_users(world: World, index: Ints, offset: int) -> Users:
    """Those of the users who joined or changed on that day, as they are at its end; on the first day, everyone."""
    now = users_at(world, index, offset)
    if offset == 0:
        return users_at(world, index[now.joined < 0], offset)
    before = users_at(world, index, offset - 1)
    differs = (now.device != before.device) | (now.company != before.company)
    stays = (now.joined < offset) & (now.leaves > offset)
    changed = (now.joined == offset) | (now.leaves == offset) | (differs & stays)
    return users_at(world, index[changed], offset)


def user_lines(world: World, users: Users, offset: int) -> bytes:
    """Those users as JSON lines, in the state that began on that day."""
    joined_us = signup_us(world, users)
    in_day = uniform(stream(world.seed, "user change", offset), users.index) * DAY_US
    changed_us = world.midnight_us(offset) + in_day.astype(np.int64)
    updated_us = joined_us if offset == 0 else np.where(users.joined == offset, joined_us, changed_us)
    pieces: list[Piece] = [
        b'{"user_id":"', numbers("u", users.index + 1),
        b'","updated_ts":"', *timestamps(updated_us),
        b'","signup_ts":"', *timestamps(joined_us),
        b'","country":"', text_table(COUNTRIES)[users.country],
        b'","device":"', text_table(DEVICES)[users.device],
        b'"', _company_names(companies_of(world))[users.company],
        _school_names(schools_in(world))[users.school],
        b',"segment":"', text_table(SEGMENTS)[users.segment],
        b'","status":"', text_table(("active", "deactivated"))[(users.leaves <= offset).astype(np.int64)],
        b'"}\n',
    ]  # fmt: skip
    return render(pieces, users.index.size)


@cache
def _company_names(count: int) -> Texts:
    """Company columns by number, each name once; the last, reached by NOBODY, is left out."""
    names = [_name(COMPANY_STARTS, COMPANY_ENDS, n) for n in range(count)]
    return text_table([*(f',"company":"{name}"' for name in names), ""])


@cache
def _school_names(per_country: int) -> Texts:
    """School columns by number, each name once; the last, reached by NOBODY, is left out."""
    names = [_name(SCHOOL_TOWNS, SCHOOL_KINDS, n) for n in range(per_country * len(COUNTRIES))]
    return text_table([*(f',"school":"{name}"' for name in names), ""])


def _name(starts: tuple[str, ...], ends: tuple[str, ...], number: int) -> str:
    again, which = divmod(number, len(starts) * len(ends))
    name = f"{starts[which % len(starts)]} {ends[which // len(starts)]}"
    return f"{name} {again + 1}" if again else name
