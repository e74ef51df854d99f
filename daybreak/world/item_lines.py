"""New, repriced and retired items of a day, as JSON lines whose text tells what the item is like."""

from __future__ import annotations

from functools import cache

import numpy as np

from daybreak.clock import DAY_US
from daybreak.draws import Ints, pick, stream
from daybreak.world.catalogue import (
    STYLES,
    category_of,
    is_offered,
    launch_offset,
    price_cents,
    retire_offset,
    style_of,
)
from daybreak.world.lines import Piece, Texts, decimals, numbers, render, text_table, timestamps
from daybreak.world.parameters import World
from daybreak.world.vocabulary import BRAND_ENDS, BRAND_STARTS, BRANDS_PER_CATEGORY, CATEGORIES, STYLE_WORDS

NOUNS = 6
ADJECTIVES = 4


def changed_items(world: World, index: Ints, offset: int) -> Ints:
    """Those of the items that were launched, repriced or retired on that day; on the first day, everything there."""
    if offset == 0:
        return index[is_offered(world, index, offset)]
    launched, retired = launch_offset(world, index) == offset, retire_offset(world, index) == offset
    repriced = price_cents(world, index, offset) != price_cents(world, index, offset - 1)
    changed: Ints = index[launched | retired | (repriced & is_offered(world, index, offset))]
    return changed


def item_lines(world: World, index: Ints, offset: int) -> bytes:
    """Those items as JSON lines, in the state that began at that day's midnight."""
    launched_us = world.start_us + launch_offset(world, index) * DAY_US
    updated_us = launched_us if offset == 0 else np.full(index.size, world.midnight_us(offset))
    category = category_of(world, index)
    brand = _brand_names()[category * BRANDS_PER_CATEGORY + _pick(world, index, "brand", BRANDS_PER_CATEGORY)]
    category_name = text_table(tuple(CATEGORIES))[category]
    noun = _nouns()[category * NOUNS + _pick(world, index, "noun", NOUNS)]
    words = _style_words(world, index)
    retired = (retire_offset(world, index) <= offset).astype(np.int64)
    midnight = world.day(offset).isoformat()
    pieces: list[Piece] = [
        b'{"item_id":"', numbers("i", index + 1),
        b'","updated_ts":"', *timestamps(updated_us),
        b'","title":"', brand, b" ", words[0], b" ", noun,
        b'","category":"', category_name, b'","brand":"', brand,
        b'","description":"This ', words[0], b" and ", words[1], b" ", noun, b" by ", brand, b", ", words[2], b" and ",
        words[3], b". For everyone who loves ", category_name, b": goes with any ", _companion(world, index, category),
        b'.","price":', *decimals(price_cents(world, index, offset), 2),
        b',"launched_ts":"', *timestamps(launched_us),
        text_table(["", f'","retired_ts":"{midnight}T00:00:00.000000Z'])[retired],
        b'","status":"', text_table(("active", "deactivated"))[retired],
        b'"}\n',
    ]  # fmt: skip
    return render(pieces, index.size)


def _style_words(world: World, index: Ints) -> list[Texts]:
    """A word for each of the item's style numbers, from the set that its sign speaks in."""
    styles = style_of(world, index)
    choices = [_pick(world, index, f"adjective {n}", ADJECTIVES) for n in range(STYLES)]
    return [_adjectives(n)[np.where(styles[n] < 0, choices[n], choices[n] + ADJECTIVES)] for n in range(STYLES)]


def _companion(world: World, index: Ints, category: Ints) -> Texts:
    noun: Texts = _nouns()[category * NOUNS + _pick(world, index, "companion", NOUNS)]
    return noun


def _pick(world: World, index: Ints, purpose: str, limit: int) -> Ints:
    return pick(stream(world.seed, "item text", purpose), index, limit)


@cache
def _brand_names() -> Texts:
    """144 names; each category has twelve of them, and shares each with one other category."""
    names = [start + end for start in BRAND_STARTS for end in BRAND_ENDS]
    return text_table([names[n % len(names)] for n in range(len(CATEGORIES) * BRANDS_PER_CATEGORY)])


@cache
def _nouns() -> Texts:
    return text_table([noun for nouns in CATEGORIES.values() for noun in nouns])


@cache
def _adjectives(style: int) -> Texts:
    low, high = STYLE_WORDS[style]
    return text_table([*low, *high])
