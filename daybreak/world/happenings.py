"""What comes of a visit: of the items shown some are opened, put in the cart, bought, rated or waved away.

Events come in blocks of one type on one surface, columns side by side, because that is what can be written fast.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from daybreak.draws import Flags, Floats, Ints, part, stream, words
from daybreak.world import behaviour
from daybreak.world.catalogue import Catalogue
from daybreak.world.parameters import World
from daybreak.world.shelves import LONGEST, Shelf, beside_shelf, front_shelf
from daybreak.world.taste import Tastes, liking, tastes_at
from daybreak.world.visits import Visits

STEP_US, LOOK_US, CHECKOUT_US, RATING_US = 1_500_000, 20_000_000, 300_000_000, 300_000_000
DWELL_TENTHS = 3_000
RATING_SHARE = 0.2
EXTRA_COPY_SHARE = 0.002
NOTHING = -1


@dataclass(frozen=True)
class Block:
    """Events of one type on one surface. `visit` is the place of each event's visit among the visits of the chunk."""

    event_type: str
    surface: str
    visit: Ints
    item: Ints
    position: Ints
    moment_us: Ints
    dwell_tenths: Ints | None = None
    stars: Ints | None = None

    def only(self, event_type: str, kept: Flags, moment_us: Ints) -> Block:
        """The events that follow from those `kept`, at their own moments."""
        return Block(event_type, self.surface, self.visit[kept], self.item[kept], self.position[kept], moment_us[kept])


def happenings(world: World, visits: Visits, catalogue: Catalogue) -> list[Block]:
    """Everything that happens in those visits, as blocks that together hold each event once."""
    tastes = tastes_at(world, visits.users, visits.offset)
    front = _outcomes(world, visits, tastes, catalogue, front_shelf(world, visits, tastes, catalogue))
    opened = np.full(visits.code.size, NOTHING)
    views = front[1]
    opened[views.visit[::-1]] = views.item[::-1]
    beside = _outcomes(world, visits, tastes, catalogue, beside_shelf(world, visits, catalogue, opened))
    return [block for block in (*front, *beside) if block.visit.size]


def with_extra_copies(world: World, visits: Visits, block: Block) -> tuple[Block, int]:
    """The block with a few events in it twice, as a client that retries sends them, and how many those are."""
    counters = visits.code[block.visit] * LONGEST + block.position
    bits = words(stream(world.seed, "copies", visits.offset, block.surface, block.event_type), counters)
    twice = np.flatnonzero(part(bits, 0) < EXTRA_COPY_SHARE)
    if not twice.size:
        return block, 0
    rows = np.sort(np.concatenate([np.arange(block.visit.size), twice]))
    columns = {name: values[rows] for name, values in vars(block).items() if isinstance(values, np.ndarray)}
    return replace(block, **columns), twice.size


def _outcomes(world: World, visits: Visits, tastes: Tastes, catalogue: Catalogue, shelf: Shelf) -> list[Block]:
    """What comes of a shelf; the first block holds what was shown, the second what was opened."""
    place, column = np.nonzero(shelf.shown)
    visit, item, position = shelf.visit[column], shelf.items[place, column], shelf.position[place, column]
    liked = liking(tastes.of(visit), catalogue, item)
    bits = words(stream(world.seed, "outcome", visits.offset, shelf.surface), visits.code[visit] * LONGEST + place)
    moment = (
        shelf.start_us[column] + position * STEP_US + ((bits >> np.uint64(4)) & np.uint64(0xFFFFF)).astype(np.int64)
    )
    shown = Block("impression", shelf.surface, visit, item, position, moment)
    looked = behaviour.looked_at(position)
    opened = part(bits, 1) < looked * behaviour.view_chance(liked)
    waved = ~opened & (part(bits, 2) < looked * behaviour.dismiss_chance(liked))
    dismissed = shown.only("dismiss", waved, moment + LOOK_US)
    return [shown, *_funnel(world, visits, shown, opened, liked), dismissed]


def _funnel(world: World, visits: Visits, shown: Block, opened: Flags, liked: Floats) -> list[Block]:
    """Views, carts, purchases and ratings, each after what it follows from."""
    seen = shown.only("view", opened, shown.moment_us)
    counters = visits.code[seen.visit] * LONGEST + seen.position
    chances = words(stream(world.seed, "funnel", visits.offset, seen.surface), counters)
    delays = words(stream(world.seed, "delays", visits.offset, seen.surface), counters)
    liked = liked[opened]
    viewed_us = seen.moment_us + 500_000 + (part(delays, 0) * LOOK_US).astype(np.int64)
    dwell = 10 + (part(delays, 1) * behaviour.squash(liked) * DWELL_TENTHS).astype(np.int64)
    views = replace(seen, moment_us=viewed_us, dwell_tenths=dwell)
    in_cart = part(chances, 0) < behaviour.cart_chance(liked)
    bought = in_cart & (part(chances, 1) < behaviour.purchase_chance(liked))
    rated = bought & (part(chances, 2) < RATING_SHARE)
    cart_us = viewed_us + dwell * 100_000
    bought_us = cart_us + 5_000_000 + (part(delays, 2) * CHECKOUT_US).astype(np.int64)
    rated_us = bought_us + 5_000_000 + (part(delays, 3) * RATING_US).astype(np.int64)
    stars = behaviour.stars(liked[rated], part(chances, 3)[rated])
    return [
        views,
        views.only("cart", in_cart, cart_us),
        views.only("purchase", bought, bought_us),
        replace(views.only("rating", rated, rated_us), stars=stars),
    ]
