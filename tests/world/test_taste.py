"""Tastes drift of themselves, slowly, and the injected drifts strike when and as they say."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import numpy as np
import pytest

from daybreak.draws import Floats, Ints
from daybreak.errors import InputError
from daybreak.world.catalogue import boom_category, catalogue_at
from daybreak.world.drifts import DRIFTS, Drift, parse_drift
from daybreak.world.parameters import World
from daybreak.world.population import OLD, YOUNG, activity, users_at
from daybreak.world.taste import Tastes, liking, tastes_at
from daybreak.world.visits import delivered_on

CALM = World(seed=5, users=3_000, items=400)
EVERYONE = np.arange(CALM.users, dtype=np.int64)
STRIKE = 10


def _drifting(name: str, world: World = CALM) -> World:
    return replace(world, drifts=(Drift(name, world.day(STRIKE)),))


def _tastes(world: World, offset: int) -> Tastes:
    return tastes_at(world, users_at(world, EVERYONE, offset), offset)


def _likings(world: World, offset: int) -> Floats:
    items = EVERYONE % world.items
    return liking(_tastes(world, offset), catalogue_at(CALM, 0), items)


def _visits(world: World, offset: int) -> Ints:
    """The visits that the files of that day hold, those of the day itself first."""
    return np.concatenate([visits.code for visits in delivered_on(world, EVERYONE, offset, 1.0)])


def _moved_anchors(world: World, offset: int) -> float:
    return float(np.mean(_tastes(world, offset).anchor != _tastes(CALM, offset).anchor))


def test_tastes_drift_slowly_and_do_not_start_over() -> None:
    """Tomorrow people like nearly what they like today, in two months much less so, and still more than at random."""
    today = _likings(CALM, 0)
    tomorrow, later = (np.corrcoef(today, _likings(CALM, day))[0, 1] for day in (1, 60))
    assert tomorrow > 0.99
    assert 0.3 < later < 0.9


def test_a_day_of_tastes_needs_no_other_day() -> None:
    """Tastes of some users alone are the tastes they have among all."""
    some = EVERYONE[100:110]
    alone = tastes_at(CALM, users_at(CALM, some, 33), 33)
    assert np.array_equal(alone.style[2], _tastes(CALM, 33).style[2][100:110])
    assert np.array_equal(alone.coming, _tastes(CALM, 33).coming[100:110])


def test_segments_like_different_things() -> None:
    """Anchor categories of the young and the old hardly overlap, so that segments are worth knowing."""
    users, anchor = users_at(CALM, EVERYONE, 0), _tastes(CALM, 0).anchor
    young, old = (np.bincount(anchor[users.segment == band], minlength=24) for band in (YOUNG, OLD))
    assert np.minimum(young / young.sum(), old / old.sum()).sum() < 0.6


@pytest.mark.parametrize("name", DRIFTS)
def test_nothing_changes_before_a_drift_begins(name: str) -> None:
    """The day before is the same world: tastes, prices, shelves and visits."""
    world = _drifting(name)
    before = STRIKE - 1
    assert np.array_equal(_likings(world, before), _likings(CALM, before))
    assert np.array_equal(catalogue_at(world, before).reach, catalogue_at(CALM, before).reach)
    assert np.array_equal(catalogue_at(world, before).price_cents, catalogue_at(CALM, before).price_cents)
    assert np.array_equal(_visits(world, before), _visits(CALM, before))


def test_a_taste_shift_strikes_overnight() -> None:
    """Six users in ten have another anchor from the day on."""
    assert _moved_anchors(_drifting("taste_shift"), STRIKE) == pytest.approx(0.6, abs=0.04)


def test_a_gradual_shift_spreads_over_twenty_days() -> None:
    """Half way through it has turned half of those it will turn."""
    world = _drifting("gradual_shift")
    assert _moved_anchors(world, STRIKE + 9) == pytest.approx(0.3, abs=0.04)
    assert _moved_anchors(world, STRIKE + 19) == pytest.approx(0.6, abs=0.04)


def test_a_boom_fills_the_shelves_with_one_category() -> None:
    """The category's part of what is put on shelves is multiplied."""
    category = boom_category(CALM)

    def part_of(world: World) -> float:
        shelf = catalogue_at(world, STRIKE)
        return float((shelf.edges[category + 1] - shelf.edges[category]) / shelf.reach[-1])

    assert part_of(_drifting("category_boom")) > 2.5 * part_of(CALM)


def test_a_price_change_raises_half_of_the_categories() -> None:
    """Prices of about half of the items are 40% up, the others stay."""
    ratio = catalogue_at(_drifting("price_change"), STRIKE).price_cents / catalogue_at(CALM, STRIKE).price_cents
    assert np.mean(ratio > 1.35) == pytest.approx(0.5, abs=0.1)
    assert np.mean(ratio == 1.0) == pytest.approx(0.5, abs=0.1)


def test_a_segment_shift_brings_the_young() -> None:
    """The young come four times as often, and most of those who join are young."""
    world = _drifting("segment_shift")
    users = users_at(world, EVERYONE, STRIKE)
    more = activity(world, users, STRIKE) / np.maximum(activity(CALM, users, STRIKE), 1e-9)
    there = users.active(STRIKE)
    assert np.allclose(more[there & (users.segment == YOUNG)], 4.0)
    assert np.allclose(more[there & (users.segment == OLD)], 1 / 3)
    joining = users_at(world, np.arange(world.users_by(STRIKE - 1), world.users_by(STRIKE + 20)), STRIKE + 20)
    assert np.mean(joining.segment == YOUNG) > 0.6


def test_a_traffic_drop_empties_the_house() -> None:
    """Four visits in ten are left."""
    left = _visits(_drifting("traffic_drop"), STRIKE).size / _visits(CALM, STRIKE).size
    assert left == pytest.approx(0.4, abs=0.05)


def test_drifts_are_named_by_date_or_number_of_day() -> None:
    """Day 11 of the world is its start and ten days."""
    start = date(2026, 10, 22)
    assert parse_drift("traffic_drop@11", start) == parse_drift("traffic_drop@2026-11-01", start)
    assert parse_drift("traffic_drop@11", start).day == start + timedelta(days=10)


@pytest.mark.parametrize(
    "text",
    [
        "taste_shift",
        "taste_shift@",
        "taste_shift@soon",
        "taste_shift@0",
        "taste_shift@²",
        "taste_shift@9999999",
        "mood_swing@3",
    ],
)
def test_wrong_drifts_are_refused_with_a_sentence(text: str) -> None:
    """A missing or unreadable day and an unknown name are errors that say what to write."""
    with pytest.raises(InputError, match=r"such as|there are"):
        parse_drift(text, date(2026, 10, 22))
