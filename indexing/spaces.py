"""The spaces that are searched: items for users, by what the model gives them, and items beside items, by likeness."""

from __future__ import annotations

from enum import StrEnum

from daybreak.vectors import directions
from indexing.arrays import Floats


class Space(StrEnum):
    """What is asked, and so which vectors are compared."""

    FOR_USERS = "for_users"
    FOR_ITEMS = "for_items"


def in_space(space: Space, vectors: Floats) -> Floats:
    """The model's vectors as the space compares them."""
    return directions(vectors) if space is Space.FOR_ITEMS else vectors
