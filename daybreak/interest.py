"""How much an event says that someone wants an item: one scale for all that counts."""

WEIGHTS = {"view": 1, "cart": 3, "rating": 3, "purchase": 5}
"""Whole numbers, so that any order adds up alike. An event of another type says nothing of interest."""
