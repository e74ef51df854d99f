"""Each rule of a surface keeps out what it says and nothing else, and is named for it."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from daybreak.datasets import EDGES, EVENTS, ITEMS, USERS
from daybreak.lake import Lake
from daybreak.sources import Entity
from daybreak.surfaces import Condition, Surface
from serving_export.night import Night, Range
from serving_export.rulebooks import keeps, rulebook
from serving_export.rules import Rulebook
from tests.lake import put
from tests.serving_export.homes import home_in, opened_night
from tests.serving_export.nights import NIGHT
from tests.tiny import Row, day, event

EVERYBODY = Range(0, 1_000)
OFF = {
    "own": False,
    "owned": False,
    "seen_days": 0,
    "dismissed": False,
    "tied": False,
    "blocked": False,
    "inactive": False,
    "out_of_stock": False,
    "regions": False,
}
COUNTRY = {"u1": "DE", "u2": "FR", "u3": None, "u4": "IT"}
STATES: dict[str, Row] = {
    "plain": {},
    "off": {"status": "deactivated"},
    "retired": {"retired_ts": f"{NIGHT}T10:00:00Z"},
    "coming": {"launched_ts": f"{day(4)}T00:00:00Z"},
    "sold_out": {"in_stock": False},
    "in_stock": {"in_stock": True},
    "german": {"regions": "DE"},
    "european": {"regions": "DE FR"},
    "cheap": {"price": 1.0, "category": "tea"},
    "dear": {"price": 9.0, "category": "coffee"},
}
EVENTS_OF = [
    (day(0), "u1", "plain", "purchase"),
    (day(1), "u1", "cheap", "rating"),
    (day(1), "u1", "dear", "cart"),
    (day(1), "u2", "dear", "dismiss"),
    (day(1), "u3", "plain", "impression"),
    (day(2), "u3", "cheap", "impression"),
    (day(3), "u3", "dear", "impression"),
    (day(3), "u2", "plain", "view"),
]
TIES = [
    ("u1", "u2", "friend", "active"),
    ("u2", "u3", "follow", "active"),
    ("u3", "u1", "friend", "deactivated"),
    ("u1", "u4", "block", "active"),
    ("u3", "u4", "dismiss", "active"),
    ("u4", "u2", "contact", "active"),
]


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Night]:
    """A night on which every rule has something to keep out."""
    settings = home_in(tmp_path_factory.mktemp("rules"))
    lake, first = Lake.of(settings), f"{day(0)}T00:00:00Z"
    put(lake, ITEMS, day(0), [{"item_id": i, "title": i, "updated_ts": first, "status": "active", **more}
                              for i, more in STATES.items()])  # fmt: skip
    users = [{"user_id": u, "country": country, "updated_ts": first} for u, country in COUNTRY.items()]
    put(lake, USERS, day(0), [{**row, "status": "deactivated" if row["user_id"] == "u4" else "active"}
                              for row in users])  # fmt: skip
    for ds in sorted({ds for ds, *_ in EVENTS_OF}):
        put(lake, EVENTS, ds, [event(n, *row) for n, row in enumerate(EVENTS_OF) if row[0] == ds])
    ends = ("src_user_id", "dst_user_id", "edge_type", "status")
    put(lake, EDGES, day(0), [{**dict(zip(ends, tie, strict=True)), "updated_ts": first} for tie in TIES])
    with opened_night(settings, NIGHT) as opened:
        yield opened


def surface(query: str, candidate: str, **rules) -> Surface:
    """A surface with these rules on and all others off."""
    fallback = "popular" if candidate == "item" else "well_known"
    shape = {"query": query, "candidate": candidate, "sources": {fallback: {}}}
    return Surface.model_validate({**shape, "rules": {**OFF, **rules}})


def kept_out(night: Night, of: Surface, among: Range = EVERYBODY) -> dict[tuple[str, str], list[str]]:
    """Whatever is kept out, by query and candidate, and the rules that keep it out. Both answers must agree."""
    book = rulebook(of, night, among)
    queries, candidates = night.names[of.query], night.names[of.candidate]
    found = {}
    for query in night.active(of.query).tolist():
        if not among.first <= query < among.stop:
            continue
        allowed = book.of(np.array([query])).allows(np.full(len(candidates), query), np.arange(len(candidates)))
        for candidate in range(len(candidates)):
            reasons = book.reasons(query, candidate)
            assert bool(allowed[candidate]) is not bool(reasons)
            if reasons:
                found[queries.ids[query].as_py(), candidates.ids[candidate].as_py()] = reasons
    return found


def from_all(users: list[str], *items: str) -> set[tuple[str, str]]:
    return {(user, item) for user in users for item in items}


USERS_ASKED = ["u1", "u2", "u3"]
OF_ITEMS: dict[str, tuple[dict, str, set[tuple[str, str]]]] = {
    "bought or rated, whenever that was": ({"owned": True}, "owned", {("u1", "plain"), ("u1", "cheap")}),
    "shown today": ({"seen_days": 1}, "seen", {("u3", "dear")}),
    "shown in two days": ({"seen_days": 2}, "seen", {("u3", "dear"), ("u3", "cheap")}),
    "shown in a month": ({"seen_days": 30}, "seen", {("u3", item) for item in ("dear", "cheap", "plain")}),
    "dismissed": ({"dismissed": True}, "dismissed", {("u2", "dear")}),
    "not to be shown that day": ({"inactive": True}, "inactive", from_all(USERS_ASKED, "off", "retired", "coming")),
    "cannot be had": ({"out_of_stock": True}, "out_of_stock", from_all(USERS_ASKED, "sold_out")),
    "of other countries, and of any where a user's is not known": (
        {"regions": True},
        "regions",
        {("u2", "german"), ("u3", "german"), ("u3", "european")},
    ),
    "itself, of which an item is none": ({"own": True}, "own", set()),
    "ties among people, which bar no item": ({"tied": True, "blocked": True}, "tied", set()),
}


@pytest.mark.parametrize("what", OF_ITEMS)
def test_a_rule_keeps_from_users_the_items_it_says_and_no_others(night, what):
    """With that rule alone, every user and every item is looked at, and the rule is named."""
    rules, name, expected = OF_ITEMS[what]
    assert kept_out(night, surface("user", "item", **rules)) == {pair: [name] for pair in expected}


OF_PEOPLE: dict[str, tuple[dict, dict[tuple[str, str], list[str]]]] = {
    "themselves": ({"own": True}, {(user, user): ["own"] for user in USERS_ASKED}),
    "friends both ways and whom they follow": (
        {"tied": True},
        {("u1", "u2"): ["tied"], ("u2", "u1"): ["tied"], ("u2", "u3"): ["tied"]},
    ),
    "whoever blocked or is blocked": ({"blocked": True}, {("u1", "u4"): ["blocked"]}),
    "whom they dismissed": ({"dismissed": True}, {("u3", "u4"): ["dismissed"]}),
    "who left": ({"inactive": True}, {(user, "u4"): ["inactive"] for user in USERS_ASKED}),
    "rules of items, which bar nobody": ({"owned": True, "seen_days": 9, "out_of_stock": True, "regions": True}, {}),
}


@pytest.mark.parametrize("what", OF_PEOPLE)
def test_a_rule_keeps_from_users_the_people_it_says_and_no_others(night, what):
    """With that rule alone, every pair of users is looked at, and the rule is named."""
    rules, expected = OF_PEOPLE[what]
    assert kept_out(night, surface("user", "user", **rules)) == expected


@pytest.mark.parametrize(("maker", "other"), [("u1", "u2"), ("u2", "u1")])
def test_a_block_hides_two_from_each_other_and_a_dismissal_one_from_the_other(settings, lake, maker, other):
    """Whoever of the two blocked; but whoever dismisses is still proposed to whom they dismissed."""
    first = f"{day(0)}T00:00:00Z"
    put(lake, USERS, day(0), [{"user_id": u, "updated_ts": first, "status": "active"} for u in ("u1", "u2")])
    tie = {"src_user_id": maker, "dst_user_id": other, "updated_ts": first, "status": "active"}
    put(lake, EDGES, day(0), [{**tie, "edge_type": kind} for kind in ("block", "dismiss")])
    with opened_night(settings, NIGHT) as night:
        both = {(maker, other): ["blocked"], (other, maker): ["blocked"]}
        assert kept_out(night, surface("user", "user", blocked=True)) == both
        assert kept_out(night, surface("user", "user", dismissed=True)) == {(maker, other): ["dismissed"]}


def test_beside_items_only_rules_of_items_stand(night):
    """An item is not beside itself, nor what nobody is shown; what a user met, and where a user is, counts for none."""
    of_users = {"owned": True, "seen_days": 30, "dismissed": True, "regions": True}
    assert kept_out(night, surface("item", "item", **of_users)) == {}
    shown = [item for item in STATES if item not in ("off", "retired", "coming")]
    assert kept_out(night, surface("item", "item", own=True)) == {(item, item): ["own"] for item in shown}
    gone = kept_out(night, surface("item", "item", inactive=True, out_of_stock=True))
    assert {item for _, item in gone} == {"off", "retired", "coming", "sold_out"}
    assert {query for query, _ in gone} == set(shown)


CONDITIONS: dict[str, tuple[list[dict], set[str]]] = {
    "at least": ([{"column": "price", "at_least": 1.5}], {"cheap"}),
    "at least, at the bound": ([{"column": "price", "at_least": 1.0}], set()),
    "at most": ([{"column": "price", "at_most": 8.5}], {"dear"}),
    "at most, at the bound": ([{"column": "price", "at_most": 9.0}], set()),
    "one of": ([{"column": "category", "one_of": ["tea", "cocoa"]}], {"dear"}),
    "none of": ([{"column": "category", "none_of": ["tea", "cocoa"]}], {"cheap"}),
    "one of nothing": ([{"column": "category", "one_of": []}], {"cheap", "dear"}),
    "none of nothing": ([{"column": "category", "none_of": []}], set()),
    "two of one column": ([{"column": "price", "at_least": 2}, {"column": "price", "at_most": 8}], {"cheap", "dear"}),
    "the id": ([{"column": "item_id", "none_of": ["plain", "nothing"]}], {"plain"}),
}


@pytest.mark.parametrize("what", CONDITIONS)
def test_a_condition_keeps_out_what_breaks_it_and_nothing_of_which_nothing_is_told(night, what):
    """For everybody alike; items without the value stay, whichever way the condition is put."""
    conditions, broken = CONDITIONS[what]
    name = f"condition {conditions[0]['column']}"
    expected = {pair: [name] for pair in from_all(USERS_ASKED, *broken)}
    assert kept_out(night, surface("user", "item", conditions=conditions)) == expected


def test_a_condition_on_people_looks_at_what_is_told_of_people(night):
    """Whose country is not told is kept."""
    of = surface("user", "user", conditions=[{"column": "country", "one_of": ["DE"]}])
    assert kept_out(night, of) == {pair: ["condition country"] for pair in from_all(USERS_ASKED, "u2", "u4")}


def test_whether_a_value_keeps_a_condition_is_not_told_where_there_is_none(night):
    """Null in, null out: yes and no are said of values alone."""
    prices = night.states[Entity.ITEM]["price"]
    kept = keeps(Condition(column="price", at_least=2.0), prices).to_pylist()
    expected = [None if price is None else price >= 2 for price in prices.to_pylist()]
    assert kept == expected
    assert {True, False, None} == set(kept)


def test_all_rules_that_keep_a_candidate_out_are_named(night):
    """An item may break several: each is named once, whatever order they are looked at in."""
    of = surface("user", "item", owned=True, regions=True, conditions=[{"column": "price", "at_least": 2}])
    found = kept_out(night, of)
    assert sorted(found["u1", "cheap"]) == ["condition price", "owned"]
    assert found["u1", "plain"] == ["owned"]
    assert found["u3", "german"] == ["regions"]
    assert set(found) == {("u1", "plain"), ("u2", "german"), ("u3", "german"), ("u3", "european")} | {
        (user, "cheap") for user in USERS_ASKED
    }


def test_the_rules_of_a_range_are_those_of_all_for_its_queries(night):
    """Users are worked on in ranges: what a range is kept from does not hang on where it is cut."""
    of = surface("user", "item", owned=True, seen_days=30, dismissed=True, regions=True, out_of_stock=True)
    whole = kept_out(night, of)
    for size in (1, 2, 3):
        parts = [kept_out(night, of, Range(first, first + size)) for first in range(0, 4, size)]
        assert {pair: reasons for part in parts for pair, reasons in part.items()} == whole


def test_where_no_item_is_kept_to_countries_the_rule_looks_at_nothing(settings, lake):
    """A catalogue that tells no regions makes no rule of them, and keeps nothing from anybody."""
    first = {"updated_ts": f"{day(0)}T00:00:00Z", "status": "active"}
    put(lake, ITEMS, day(0), [{"item_id": "i1", "title": "x", **first}])
    put(lake, USERS, day(0), [{"user_id": "u1", **first}])
    with opened_night(settings, NIGHT) as night:
        of = surface("user", "item", regions=True)
        book: Rulebook = rulebook(of, night, EVERYBODY)
        assert book.regions is None
        assert kept_out(night, of) == {}
