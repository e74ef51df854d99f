"""What a night knows of users and items."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daybreak.datasets import EVENTS, ITEMS, USERS
from serving_export.facts import Facts, Pairs, gather
from tests.lake import io_of, put
from tests.serving_export.nights import NIGHT
from tests.tiny import day, event


def facts_of(settings, ds: str = NIGHT) -> Facts:
    return gather(io_of("serving_export.lists", settings, ds))


def names(facts: Facts, which: str) -> set[str]:
    entity = facts.users if which == "users" else facts.items
    return set(entity.of(getattr(facts, f"active_{which}")).to_pylist())


def user(name: str, moment: str, status: str = "active") -> dict:
    return {"user_id": name, "updated_ts": moment, "status": status}


def item(name: str, **more) -> dict:
    return {"item_id": name, "updated_ts": f"{day(0)}T00:00:00+00:00", "title": name, "status": "active", **more}


def test_the_newest_state_of_a_user_wins(settings, lake):
    """Whoever was deactivated later is out, whoever came back is in, however the rows are spread over deliveries."""
    put(lake, USERS, day(0), [user("gone", f"{day(0)}T01:00:00Z"), user("back", f"{day(0)}T01:00:00Z", "deactivated")])
    put(lake, USERS, day(2), [user("gone", f"{day(2)}T01:00:00Z", "deactivated"), user("back", f"{day(2)}T01:00:00Z")])
    put(lake, USERS, day(3), [user("back", f"{day(1)}T01:00:00Z", "deactivated")])
    assert names(facts_of(settings), "users") == {"back"}
    assert names(facts_of(settings, day(1)), "users") == {"gone"}


def test_only_items_that_may_be_shown_that_day_are_active(settings, lake):
    """Deactivated, retired and not yet launched items are out; on another night the same item may be in."""
    put(
        lake,
        ITEMS,
        day(0),
        [
            item("plain"),
            item("off", status="deactivated"),
            item("retired", retired_ts=f"{day(2)}T10:00:00Z"),
            item("coming", launched_ts=f"{day(4)}T00:00:00Z"),
            item("launched", launched_ts=f"{day(3)}T23:59:59Z"),
        ],
    )
    assert names(facts_of(settings), "items") == {"plain", "launched"}
    assert names(facts_of(settings, day(1)), "items") == {"plain", "retired"}
    assert names(facts_of(settings, day(4)), "items") == {"plain", "launched", "coming"}


def test_events_alone_are_enough(settings, lake):
    """Where no users or items were ever delivered, all that events name are active."""
    put(lake, EVENTS, day(0), [event(1, day(0), "u1", "i1"), event(2, day(0), "u2", "i2", "purchase")])
    facts = facts_of(settings)
    assert names(facts, "users") == {"u1", "u2"}
    assert names(facts, "items") == {"i1", "i2"}


def test_what_is_owned_lasts_and_what_is_wanted_fades(settings, lake):
    """Purchases and ratings are owned for ever; interest counts within the history only, halved every 14 days."""
    put(lake, EVENTS, day(0), [event(1, day(0), "u1", "old", "purchase"), event(2, day(0), "u1", "seen", "impression")])
    put(lake, EVENTS, day(14), [event(3, day(14), "u1", "rated", "rating"), event(4, day(14), "u1", "old")])
    put(lake, EVENTS, day(28), [event(5, day(28), "u1", "old"), event(6, day(28), "u1", "old", "cart")])
    facts = facts_of(settings, day(28))
    assert facts.items.of(facts.owned.items).to_pylist() == ["old", "rated"]
    for history_days, old, rated in ((15, 1 + 3 + 0.5, 1.5), (29, 1 + 3 + 0.5 + 5 / 4, 1.5)):
        wanted = facts.wanted(history_days)
        assert facts.items.of(wanted.items).to_pylist() == ["old", "rated"]
        np.testing.assert_allclose(wanted.weights, [old, rated])
    assert facts.items.of(facts.wanted(14).items).to_pylist() == ["old"]


@given(pairs=st.frozensets(st.tuples(st.integers(0, 9), st.integers(0, 4))), chosen=st.frozensets(st.integers(0, 9)))
def test_the_pairs_of_some_queries_are_theirs_alone(pairs, chosen):
    """Whatever block of queries is worked on, it is given what it holds, in order, and nothing of its neighbours."""
    rows = sorted(pairs)
    queries, items = (np.array([row[n] for row in rows], np.int64) for n in (0, 1))
    found = Pairs(queries, items, queries * 0.5).of(np.array(sorted(chosen), np.int64))
    expected = [(query, item, query * 0.5) for query, item in rows if query in chosen]
    assert list(zip(found.queries.tolist(), found.items.tolist(), found.weights.tolist(), strict=True)) == expected


def test_a_night_sees_nothing_of_later_days(settings, lake):
    """Rows of later days, and rows that landed later, are not there for an earlier night."""
    put(lake, EVENTS, day(0), [event(1, day(0), "u1", "i1")])
    put(lake, EVENTS, day(2), [event(2, day(1), "u2", "late"), event(3, day(2), "u3", "next")])
    assert facts_of(settings, day(1)).items.ids.to_pylist() == ["i1"]
    assert facts_of(settings, day(2)).items.ids.to_pylist() == ["i1", "late", "next"]


def test_an_empty_world_has_no_facts(settings):
    """Nothing landed gives no users, no items and no pairs, and no error."""
    facts = facts_of(settings)
    assert [len(facts.users), len(facts.items), len(facts.owned.items), len(facts.wanted(30).items)] == [0, 0, 0, 0]
