"""The social graph grows by likeness and by closing triangles."""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations

import numpy as np

from daybreak.draws import Ints
from daybreak.world.edges import BLOCK, FRIEND, edges_on
from daybreak.world.parameters import World
from daybreak.world.population import users_at
from daybreak.world.taste import tastes_at
from tests.world.conftest import Delivered

CROWD = World(seed=11, users=2_000, items=50)


def _friends(offset: int = 0) -> tuple[Ints, Ints]:
    edges = edges_on(CROWD, np.arange(CROWD.users_by(offset), dtype=np.int64), offset)
    kept = (edges.kind == FRIEND) & (edges.ended == 0)
    return edges.src[kept], edges.dst[kept]


def _alike(src: Ints, dst: Ints) -> dict[str, float]:
    """How often two ends share a trait."""
    ends = [users_at(CROWD, index, 0) for index in (src, dst)]
    tastes = [tastes_at(CROWD, users, 0) for users in ends]
    return {
        "school": float(np.mean((ends[0].school == ends[1].school) & (ends[0].school >= 0))),
        "company": float(np.mean((ends[0].first_company == ends[1].first_company) & (ends[0].first_company >= 0))),
        "country": float(np.mean(ends[0].country == ends[1].country)),
        "anchor category": float(np.mean(tastes[0].anchor == tastes[1].anchor)),
    }


def test_friends_are_alike_far_above_chance() -> None:
    """Friends share school, company, country and taste at least twice as often as the same people paired at random."""
    src, dst = _friends()
    actual, chance = _alike(src, dst), _alike(src, np.roll(dst, 1_009))
    assert all(actual[trait] > 2 * chance[trait] for trait in actual), (actual, chance)


def test_triangles_close_far_above_chance() -> None:
    """Two friends of one person are friends at least ten times as often as two people at random."""
    src, dst = _friends()
    near: dict[int, set[int]] = defaultdict(set)
    for one, other in zip(src.tolist(), dst.tolist(), strict=True):
        near[one].add(other)
        near[other].add(one)
    pairs = [pair for friends in near.values() for pair in combinations(sorted(friends), 2)]
    closed = sum(other in near[one] for one, other in pairs) / len(pairs)
    density = sum(map(len, near.values())) / (CROWD.users * (CROWD.users - 1))
    assert closed > 10 * density


def test_later_days_close_triangles_over_older_ties() -> None:
    """Of the friendships made on a later day between users of the first, many have a common friend already."""
    src, dst = _friends()
    near: dict[int, set[int]] = defaultdict(set)
    for one, other in zip(src.tolist(), dst.tolist(), strict=True):
        near[one].add(other)
        near[other].add(one)
    later = [pair for day in range(1, 8) for pair in zip(*(ends.tolist() for ends in _friends(day)), strict=True)]
    common = sum(bool(near[one] & near[other]) for one, other in later)
    assert len(later) > 100
    assert common > 0.2 * len(later)


def test_ties_do_not_depend_on_who_is_asked_for_together() -> None:
    """A day's ties made for a few users at a time are those made at once."""
    whole = edges_on(CROWD, np.arange(CROWD.users, dtype=np.int64), 3)
    parts = [edges_on(CROWD, np.arange(first, first + 100), 3) for first in range(0, CROWD.users, 100)]
    assert np.array_equal(whole.src, np.concatenate([part.src for part in parts]))
    assert np.array_equal(whole.dst, np.concatenate([part.dst for part in parts]))


def test_nobody_ties_with_themselves_and_some_tie_ends(delivered: Delivered) -> None:
    """The delivered ties join two users who have joined; some are follows, a few are blocks, some end."""
    selves, follows, blocks, ended = delivered.one(
        "SELECT count(*) FILTER (src_user_id = dst_user_id), count(*) FILTER (edge_type = 'follow'), "
        "count(*) FILTER (edge_type = 'block'), count(*) FILTER (status = 'deactivated') FROM edges"
    )
    assert selves == 0
    assert follows > 100
    assert 0 < blocks < 0.05 * follows
    assert ended > 0
    strangers, kept = delivered.one(
        "SELECT count(*) FILTER (u.user_id IS NULL OR e.updated_ts < u.joined), count(*) FROM edges e LEFT JOIN "
        "(SELECT user_id, min(signup_ts) AS joined FROM users GROUP BY user_id) u ON u.user_id = e.dst_user_id "
        "WHERE e.ds = DATE '2026-10-22'"
    )
    assert strangers == 0
    assert kept > 1_000


def test_the_graph_grows_every_day(delivered: Delivered) -> None:
    """Each later day adds ties, far fewer than there were at first."""
    counts = [day.edges for day in delivered.ledgers]
    assert all(0 < count < counts[0] / 10 for count in counts[1:])


def test_blocks_are_rare_but_happen() -> None:
    """About one user in a thousand blocks someone on a day."""
    kinds = np.concatenate([edges_on(CROWD, np.arange(CROWD.users), day).kind for day in range(10)])
    assert 5 <= np.count_nonzero(kinds == BLOCK) <= 40
