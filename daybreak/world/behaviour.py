"""What a user does with an item that is shown: the chances that simulation and truth share."""

from __future__ import annotations

import numpy as np

from daybreak.draws import Floats, Ints

POSITION_DECAY = 0.3


def squash(liking: Floats) -> Floats:
    """From any number to between 0 and 1, by a rational curve; 0 becomes one half."""
    return 0.5 + 0.5 * liking / (1.0 + np.abs(liking))


def looked_at(position: Ints) -> Floats:
    """The chance that the eye reaches a place in a shelf: 1 at the top."""
    return 1.0 / (1.0 + POSITION_DECAY * position.astype(np.float64))


def view_chance(liking: Floats) -> Floats:
    """The chance to open an item that was looked at."""
    rise = squash(2.0 * liking - 2.0)
    return 0.01 + 0.5 * rise * rise


def cart_chance(liking: Floats) -> Floats:
    """The chance to put in the cart an item that was opened."""
    return 0.04 + 0.5 * squash(1.5 * liking - 2.0)


def purchase_chance(liking: Floats) -> Floats:
    """The chance to buy what is in the cart."""
    return 0.2 + 0.5 * squash(liking - 1.0)


def dismiss_chance(liking: Floats) -> Floats:
    """The chance to wave away an item that was looked at and not opened."""
    return 0.02 * squash(-2.0 * liking - 1.0)


def purchases_if_seen(liking: Floats) -> Floats:
    """The chance that an item that was looked at ends up bought."""
    return view_chance(liking) * cart_chance(liking) * purchase_chance(liking)


def stars(liking: Floats, mood: Floats) -> Ints:
    """The rating of a buyer, 1 to 5, in good or bad mood (0 to 1)."""
    return (1.0 + 4.99 * squash(liking - 0.5 + 2.0 * (mood - 0.5))).astype(np.int64)
