"""What is on offer: each item's traits and life as closed forms of its number, and the shelf of a day to draw from.

Items 0 .. world.items-1 are there on the first day; after that `daily_launches` are launched each midnight, in order.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from daybreak.draws import Flags, Floats, Ints, Words, bell, below, pick, stream, uniform
from daybreak.world.parameters import World
from daybreak.world.vocabulary import CATEGORIES, TYPICAL_PRICES_CENTS

CATEGORY_COUNT = len(CATEGORIES)
STYLES = 4
OLDEST_LAUNCH = 180
RETIRE_WITHIN = 120
NEVER = 1_000_000
FADING_DAYS = 4.0
HOT_DAYS = 10
PRICE_STEPS = (100, 90, 100, 80, 105, 95)


@dataclass(frozen=True)
class Catalogue:
    """Every item launched by a day, as it is on that day, and how often each is put on a shelf.

    `order` lists the items on offer by category; `reach` is the running sum of their weights in that order, and
    category c lies between `edges[c]` and `edges[c + 1]` of that sum.
    """

    offset: int
    category: Ints
    style: tuple[Floats, ...]
    quality: Floats
    price_cents: Ints
    relative_price: Floats
    offered: Flags
    order: Ints
    reach: Ints
    edges: Ints

    def draw(self, category: Ints, bits: Words) -> Ints:
        """An item of each category, by weight; of any category where it is -1 or has nothing on offer."""
        low, high = self.edges[category], self.edges[category + 1]
        anywhere = (category < 0) | (low == high)
        low = np.where(anywhere, 0, low)
        width = np.where(anywhere, self.reach[-1], high) - low
        return self.order[np.searchsorted(self.reach, low + below(bits, width), side="right")]


@lru_cache(maxsize=6)
def catalogue_at(world: World, offset: int) -> Catalogue:
    """The catalogue of that day."""
    index = np.arange(world.items_by(offset), dtype=np.int64)
    category = category_of(world, index)
    fame = uniform(stream(world.seed, "fame"), index)
    offered = is_offered(world, index, offset)
    weight = _weight(world, index, category, fame, offset)
    order = np.argsort(np.where(offered, category, CATEGORY_COUNT), kind="stable")[: np.count_nonzero(offered)]
    reach = np.cumsum(weight[order])
    starts = np.searchsorted(category[order], np.arange(CATEGORY_COUNT + 1))
    cents = price_cents(world, index, offset)
    quality = 1.0 - 2.0 * fame + world.drifted("category_boom", offset) * (category == boom_category(world))
    return Catalogue(
        offset=offset,
        category=category,
        style=style_of(world, index),
        quality=quality,
        price_cents=cents,
        relative_price=cents / np.array(TYPICAL_PRICES_CENTS)[category],
        offered=offered,
        order=order,
        reach=reach,
        edges=np.concatenate([[0], reach])[starts],
    )


def category_of(world: World, index: Ints) -> Ints:
    return pick(stream(world.seed, "category"), index, CATEGORY_COUNT)


def style_of(world: World, index: Ints) -> tuple[Floats, ...]:
    return tuple(bell(stream(world.seed, "item style", n), index) for n in range(STYLES))


def launch_offset(world: World, index: Ints) -> Ints:
    """The day at whose midnight each item could first be shown."""
    before = -1 - pick(stream(world.seed, "launch"), index, OLDEST_LAUNCH)
    return np.where(index < world.items, before, 1 + (index - world.items) // world.daily_launches)


def retire_offset(world: World, index: Ints) -> Ints:
    """The day at whose midnight each item went off the shelves; four items in ten have one."""
    life = 5 + pick(stream(world.seed, "life"), index, RETIRE_WITHIN)
    mortal = uniform(stream(world.seed, "mortal"), index) < 0.4
    return np.where(mortal, np.maximum(launch_offset(world, index), 0) + life, NEVER)


def is_offered(world: World, index: Ints, offset: int) -> Flags:
    return (launch_offset(world, index) <= offset) & (retire_offset(world, index) > offset)


def price_cents(world: World, index: Ints, offset: int) -> Ints:
    """Each item's price on that day: a base, stepped up or down every one to eight weeks."""
    category = category_of(world, index)
    spread = 0.4 + 0.6 * (uniform(stream(world.seed, "price"), index) + uniform(stream(world.seed, "price too"), index))
    base = (np.array(TYPICAL_PRICES_CENTS)[category] * spread).astype(np.int64)
    period = 7 + pick(stream(world.seed, "price period"), index, 50)
    spell = (offset + pick(stream(world.seed, "price phase"), index, period) + 1_000 * period) // period
    percent = np.array(PRICE_STEPS)[pick(stream(world.seed, "price step"), index * 65_536 + spell, len(PRICE_STEPS))]
    if world.drifted("price_change", offset) > 0:
        percent = np.where(category % 2 == 0, percent * 140 // 100, percent)
    cents: Ints = np.maximum(1, base * percent // 100)
    return cents


def boom_category(world: World) -> int:
    """The category that booms, in a world where one does."""
    return int(pick(stream(world.seed, "boom"), np.zeros(1, dtype=np.int64), CATEGORY_COUNT)[0])


def _weight(world: World, index: Ints, category: Ints, fame: Floats, offset: int) -> Ints:
    """How often an item is put on a shelf: few are famous, new ones are pushed, and some are hot for ten days."""
    weight = 8.0 / (fame + 0.01)
    age = (offset - launch_offset(world, index)).astype(np.float64)
    weight *= 1.0 + 3.0 / (1.0 + np.maximum(age, 0.0) / FADING_DAYS)
    spell = (offset + pick(stream(world.seed, "hot phase"), index, HOT_DAYS) + 1_000 * HOT_DAYS) // HOT_DAYS
    hot = uniform(stream(world.seed, "hot"), index * 65_536 + spell) < 0.03
    weight = np.where(hot, weight * 5.0, weight)
    boom = world.drifted("category_boom", offset)
    weight = np.where(category == boom_category(world), weight * (1.0 + 5.0 * boom), weight)
    return weight.astype(np.int64)
