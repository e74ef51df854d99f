"""Which items a visit is shown: the shelf of the front page, and the shelf beside an item that was opened."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from daybreak.draws import Flags, Ints, Words, part, pick, stream, uniform, words
from daybreak.world.catalogue import Catalogue
from daybreak.world.parameters import World
from daybreak.world.taste import Tastes
from daybreak.world.visits import Visits

FOR_YOU, SIMILAR_ITEMS = "for_you", "similar_items"
SHORTEST, LONGEST, BESIDE = 6, 12, 6
FROM_ANCHOR, FROM_PASSING = 0.3, 0.6
BESIDE_SHARE = 0.5
BESIDE_AFTER_US = 400_000_000
ANY_CATEGORY = -1


@dataclass(frozen=True)
class Shelf:
    """Items shown on one surface in some visits: one row per place, one column per visit.

    `visit` is the place of each column's visit among the visits of the chunk; `shown` says which items are there, since
    no shelf shows an item twice; `position` counts those that are.
    """

    surface: str
    visit: Ints
    start_us: Ints
    items: Ints
    shown: Flags
    position: Ints


def front_shelf(world: World, visits: Visits, tastes: Tastes, catalogue: Catalogue) -> Shelf:
    """6 to 12 items a visit: three in ten from the anchor category, three from the passing ones, the rest popular."""
    places = np.arange(LONGEST)[:, None]
    source = _place_draws(world, visits, "front source", LONGEST)
    among, moved = part(source, 0), part(source, 1) < tastes.blend
    category = np.where(moved, tastes.coming, tastes.passing)
    category = np.where(among < FROM_ANCHOR, tastes.anchor, category)
    category = np.where(among < FROM_PASSING, category, ANY_CATEGORY)
    items = catalogue.draw(category, _place_draws(world, visits, "front item", LONGEST))
    length = SHORTEST + pick(stream(world.seed, "length", visits.offset), visits.code, LONGEST - SHORTEST + 1)
    return _filled(FOR_YOU, np.arange(visits.code.size), visits.start_us, items, places < length)


def beside_shelf(world: World, visits: Visits, catalogue: Catalogue, opened: Ints) -> Shelf:
    """Up to 6 items of the same category beside the item each visit opened first (-1 for none), in half of them."""
    curious = uniform(stream(world.seed, "beside", visits.offset), visits.code) < BESIDE_SHARE
    visit = np.flatnonzero((opened >= 0) & curious)
    bits = _place_draws(world, visits, "beside item", BESIDE)[:, visit]
    seed_items = opened[visit]
    items = catalogue.draw(np.broadcast_to(catalogue.category[seed_items], bits.shape), bits)
    start = visits.start_us[visit] + BESIDE_AFTER_US
    return _filled(SIMILAR_ITEMS, visit, start, items, items != seed_items)


def _filled(surface: str, visit: Ints, start_us: Ints, items: Ints, shown: Flags) -> Shelf:
    """The shelf without the places that repeat an earlier one."""
    kept = shown.copy()
    for place in range(1, items.shape[0]):
        kept[place] &= ~(items[:place] == items[place]).any(axis=0)
    return Shelf(surface, visit, start_us, items, kept, np.cumsum(kept, axis=0) - 1)


def _place_draws(world: World, visits: Visits, purpose: str, places: int) -> Words:
    """Random bits for each place and visit."""
    counters = visits.code * LONGEST + np.arange(places)[:, None]
    return words(stream(world.seed, purpose, visits.offset), counters)
