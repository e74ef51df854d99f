"""What users like on a day, and how much they like an item: the latent truth that behaviour follows.

A user has an anchor category and a passing one that gives way to the next over weeks, a style of four numbers that
swings slowly, and a budget. Items have a category, a style, a quality and a price relative to their category.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from daybreak.draws import Flags, Floats, Ints, bell, part, pick, stream, uniform, words
from daybreak.world.catalogue import CATEGORY_COUNT, STYLES, Catalogue
from daybreak.world.parameters import World
from daybreak.world.population import Users
from daybreak.world.vocabulary import SEGMENTS

PER_SEGMENT = CATEGORY_COUNT // len(SEGMENTS)
SHIFTED_SHARE = 0.6
FAVOURED_SHARE = 0.6


@dataclass(frozen=True)
class Tastes:
    """What some users like on one day. `blend` is how far the passing category has given way to the next."""

    anchor: Ints
    passing: Ints
    coming: Ints
    blend: Floats
    style: tuple[Floats, ...]
    budget: Floats

    def of(self, rows: Ints) -> Tastes:
        """The tastes at those places, one a row."""
        style = tuple(values[rows] for values in self.style)
        return Tastes(
            self.anchor[rows], self.passing[rows], self.coming[rows], self.blend[rows], style, self.budget[rows]
        )


def tastes_at(world: World, users: Users, offset: int) -> Tastes:
    """The tastes of those users on that day."""
    index = users.index
    shifted = _shifted(world, index, offset)
    settled = settled_category(world, index, users.segment)
    passing, coming, blend = _passing(world, users, offset)
    return Tastes(
        anchor=np.where(shifted, (settled + 7) % CATEGORY_COUNT, settled),
        passing=passing,
        coming=coming,
        blend=blend,
        style=tuple(np.where(shifted, -s, s) for s in style_on(world, index, offset)),
        budget=0.5 + uniform(stream(world.seed, "budget"), index),
    )


def liking(tastes: Tastes, catalogue: Catalogue, items: Ints) -> Floats:
    """How much each user likes an item: about -3 to 4. `items` holds one item for each."""
    category = catalogue.category[items]
    liked = 0.9 * (category == tastes.anchor)
    liked += (1.0 - tastes.blend) * (category == tastes.passing)
    liked += tastes.blend * (category == tastes.coming)
    match = tastes.style[0] * catalogue.style[0][items]
    for own, of_item in zip(tastes.style[1:], catalogue.style[1:], strict=True):
        match += own * of_item[items]
    too_dear = np.maximum(catalogue.relative_price[items] - tastes.budget, 0.0)
    total: Floats = 1.6 * liked + 0.35 * match + 0.7 * catalogue.quality[items] - 0.8 * too_dear
    return total


def settled_category(world: World, index: Ints, segment: Ints) -> Ints:
    """The anchor category of each user before any drift."""
    return _category(world, index, segment, "anchor")


def _shifted(world: World, index: Ints, offset: int) -> Flags:
    """Whose taste a drift has turned."""
    sudden = world.drifted("taste_shift", offset) * SHIFTED_SHARE
    gradual = world.drifted("gradual_shift", offset) * SHIFTED_SHARE
    bits = words(stream(world.seed, "shifted"), index)
    return (part(bits, 0) < sudden) | (part(bits, 1) < gradual)


def _category(world: World, counters: Ints, segment: Ints, purpose: str) -> Ints:
    """A category, six times in ten among those that the segment favours."""
    bits = words(stream(world.seed, purpose), counters)
    favoured = segment * PER_SEGMENT + (part(bits, 1) * PER_SEGMENT).astype(np.int64)
    anywhere = (part(bits, 2) * CATEGORY_COUNT).astype(np.int64)
    return np.where(part(bits, 0) < FAVOURED_SHARE, favoured, anywhere)


def _passing(world: World, users: Users, offset: int) -> tuple[Ints, Ints, Floats]:
    """The category that passes, the one that comes, and how far: each user in a period of one to four months."""
    period = 30 + pick(stream(world.seed, "period"), users.index, 90)
    phase = pick(stream(world.seed, "phase"), users.index, period)
    spell, into = np.divmod(offset + phase + 1_000 * period, period)
    passing = _category(world, users.index * 65_536 + spell, users.segment, "passing")
    coming = _category(world, users.index * 65_536 + spell + 1, users.segment, "passing")
    return passing, coming, into / period


def style_on(world: World, index: Ints, offset: int) -> list[Floats]:
    """A settled style and a slow swing around it, a triangle wave of 60 to 180 days."""
    styles = []
    for n in range(STYLES):
        settled = bell(stream(world.seed, "style", n), index)
        bits = words(stream(world.seed, "swing", n), index)
        turn = offset / (60.0 + 120.0 * part(bits, 0)) + part(bits, 1) + 100.0
        turn -= turn.astype(np.int64)
        styles.append(settled + 0.5 * (4.0 * np.abs(turn - 0.5) - 1.0))
    return styles
