"""Items that came on the days that judge stand there as what they are, and with nothing that was counted of them."""

from __future__ import annotations

import pyarrow as pa

from training.data.nights import NightFeatures, with_newcomers

USERS = pa.table({"user_x__a": [1.0]})


def night(categories: list[str | None], counts: list[int | None], texts: list[list[float] | None]) -> NightFeatures:
    items = {
        "item_catalogue__category": pa.array(categories, pa.string()),
        "item_activity__views_7d": pa.array(counts, pa.int64()),
        "item_text__text_vector": pa.array(texts, pa.list_(pa.float32())),
    }
    return NightFeatures(USERS, pa.table(items))


def test_only_items_that_the_night_did_not_know_are_told_by_the_later_one():
    """One that was known keeps what was known then; one that nobody knows stays unknown."""
    then = night(["shoes", None, None, None], [3, None, 5, None], [[1.0], None, None, None])
    now = night(["boots", "hats", "bags", None], [9, 8, 7, None], [[2.0], [3.0], [4.0], None])
    found = with_newcomers(then, now, "item_activity__")
    assert found.users is USERS
    assert found.items.to_pydict() == {
        "item_catalogue__category": ["shoes", "hats", None, None],
        "item_activity__views_7d": [3, None, 5, None],
        "item_text__text_vector": [[1.0], [3.0], None, None],
    }
    assert found.items.schema == then.items.schema
