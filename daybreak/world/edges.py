"""New and changed ties of a day, and how they read as JSON lines."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from daybreak.clock import DAY_US
from daybreak.draws import Ints, numbered, part, pick, stream, uniform, words
from daybreak.world.lines import Piece, numbers, render, text_table, timestamps
from daybreak.world.parameters import World
from daybreak.world.population import signup_us, users_at
from daybreak.world.ties import is_follow, tie_count, tie_offset, tie_target

KINDS = ("friend", "follow", "block")
FRIEND, FOLLOW, BLOCK = range(3)
CLOSINGS_AT_FIRST, CLOSINGS_A_DAY = 1.5, 0.03
BLOCKS_A_DAY = 0.001
END_SHARE, END_WITHIN = 0.08, 100


@dataclass(frozen=True)
class Edges:
    """Ties that begin or end on one day, each pair and kind at most once."""

    src: Ints
    dst: Ints
    kind: Ints
    ended: Ints


def edges_on(world: World, index: Ints, offset: int) -> Edges:
    """The ties that those users begin or end on that day, with people who are there."""
    parts = [
        _first_ties(world, index, offset),
        _closed_triangles(world, index, offset),
        _ended_ties(world, index, offset),
        _blocks(world, index, offset),
    ]
    src, dst, kind, ended = (np.concatenate(column) for column in zip(*parts, strict=True))
    there = (src != dst) & users_at(world, dst, offset).active(offset) & users_at(world, src, offset).active(offset)
    src, dst, kind, ended = src[there], dst[there], kind[there], ended[there]
    _, first = np.unique((src * world.users_by(offset) + dst) * len(KINDS) + kind, return_index=True)
    return Edges(src[first], dst[first], kind[first], ended[first])


def edge_lines(world: World, edges: Edges, offset: int) -> bytes:
    """Those ties as JSON lines. Ties of the first day began at some moment after both had joined."""
    moment = uniform(stream(world.seed, "tie moment", offset), edges.src * 2_654_435_761 + edges.dst * 3 + edges.kind)
    begin: Ints = np.full(edges.src.size, world.midnight_us(offset))
    span: Ints = np.full(edges.src.size, DAY_US)
    if offset == 0:
        begin = np.maximum(*(signup_us(world, users_at(world, ends, 0)) for ends in (edges.src, edges.dst)))
        span = world.start_us - begin
    pieces: list[Piece] = [
        b'{"src_user_id":"', numbers("u", edges.src + 1),
        b'","dst_user_id":"', numbers("u", edges.dst + 1),
        b'","edge_type":"', text_table(KINDS)[edges.kind],
        b'","updated_ts":"', *timestamps(begin + (moment * span).astype(np.int64)),
        b'","status":"', text_table(("active", "deactivated"))[edges.ended],
        b'"}\n',
    ]  # fmt: skip
    return render(pieces, edges.src.size)


Columns = tuple[Ints, Ints, Ints, Ints]


def _columns(src: Ints, dst: Ints, kind: Ints, *, ended: bool = False) -> Columns:
    return src, dst, kind, np.full(src.size, int(ended))


def _first_numbered(world: World, index: Ints) -> tuple[Ints, Ints]:
    """Every first tie of those users: whose it is, and which of theirs."""
    owner, number = numbered(tie_count(world, index))
    return index[owner], number


def _first_ties(world: World, index: Ints, offset: int) -> Columns:
    src, number = _first_numbered(world, index)
    made = tie_offset(world, src, number) == offset
    src, number = src[made], number[made]
    return _columns(src, tie_target(world, src, number), _kind(world, src, number))


def _kind(world: World, src: Ints, number: Ints) -> Ints:
    return np.where(is_follow(world, src, number), FOLLOW, FRIEND)


def _closed_triangles(world: World, index: Ints, offset: int) -> Columns:
    """Friendships with a friend of a friend, over two first ties that are there already."""
    mean = CLOSINGS_A_DAY if offset else CLOSINGS_AT_FIRST
    chance = uniform(stream(world.seed, "closings", offset), index)
    count = (mean * 2.0 * chance + uniform(stream(world.seed, "closing", offset), index)).astype(np.int64)
    owner, nth = numbered(count)
    src = index[owner]
    src, middle = _followed_on(world, src, src, nth, "closing first", offset)
    src, dst = _followed_on(world, src, middle, src, "closing second", offset)
    return _columns(src, dst, np.full(src.size, FRIEND))


def _followed_on(world: World, src: Ints, at: Ints, salt: Ints, purpose: str, offset: int) -> tuple[Ints, Ints]:
    """From each `at` along one of its first ties, made before that day (or on it, on the first); with its `src`."""
    counters = (at * 1_048_583 + salt) * 4_194_301 + src
    number = pick(stream(world.seed, purpose, offset), counters, tie_count(world, at))
    there = tie_offset(world, at, number) < max(offset, 1)
    return src[there], tie_target(world, at[there], number[there])


def _ended_ties(world: World, index: Ints, offset: int) -> Columns:
    """First ties that are given up, each some days after it was made."""
    src, number = _first_numbered(world, index)
    bits = words(stream(world.seed, "tie end"), src * 64 + number)
    ends = tie_offset(world, src, number) + 1 + (part(bits, 1) * END_WITHIN).astype(np.int64)
    over = (part(bits, 0) < END_SHARE) & (ends == offset)
    src, number = src[over], number[over]
    return _columns(src, tie_target(world, src, number), _kind(world, src, number), ended=True)


def _blocks(world: World, index: Ints, offset: int) -> Columns:
    """Some users block someone, anyone."""
    src = index[uniform(stream(world.seed, "blocks", offset), index) < BLOCKS_A_DAY]
    dst = pick(stream(world.seed, "blocked", offset), src, world.users)
    return _columns(src, dst, np.full(src.size, BLOCK))
