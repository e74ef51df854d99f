"""Lists as all parts of a shelf make them together: rules, diversity, places given away, reserves, and fallbacks."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.candidates import POPULARITY
from daybreak.datasets import EDGES, EVENTS, ITEMS, LISTS, USERS
from daybreak.errors import SettingsError
from daybreak.features.described import ITEM_TEXT, USER_GRAPH
from daybreak.lake import Lake, Window
from daybreak.learning import GNN_CANDIDATES
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.sources import SourceName
from daybreak.steps import step_named
from serving_export.sources.builders import BUILDERS
from tests.lake import put, put_days
from tests.serving_export.good_nights import ITEMS_OF, NIGHT, SURFACES, USERS_OF, put_good_nights
from tests.serving_export.homes import copied, home_in
from tests.tiny import Row, day, event

FIRST = {"updated_ts": f"{day(0)}T00:00:00Z", "status": "active"}
EVERYTHING = """
for_you:
  query: user
  length: 8
  reserve: 4
  history_items: 3
  sources:
    two_tower: {quota: 8, fallback: cooccurrence}
    cooccurrence: {quota: 30, weight: 0.5, evidence: much}
    segment: {quota: 30, weight: 0.2, evidence: little}
    rebuy: {quota: 5, weight: 0.1}
    fresh: {quota: 5, weight: 0.2}
    popular: {quota: 36, weight: 0.1}
  rules: {seen_days: 2}
  caps: {brand: 5, variants: 1}
  diversity: {method: METHOD, strength: 0.4}
  freshness: {boost: 0.5}
  exploration: {slots: [1, 6], pool: 8}
  gates: {min_length: 1}
people:
  query: user
  candidate: user
  length: 6
  reserve: 3
  sources: {common_friends: {quota: 20}, school: {}, well_known: {quota: 36, weight: 0.2}}
  rank: {by: fusion, reciprocity: 0.5}
  gates: {min_length: 1}
beside:
  query: item
  length: 6
  sources: {two_tower: {quota: 6, evidence: much}, cooccurrence: {quota: 20, evidence: little}, popular: {weight: 0.1}}
  caps: {variants: 1}
  diversity: {method: METHOD}
  gates: {min_length: 1}
"""


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home of two good nights in which items say something of themselves, not to be changed."""
    settings = home_in(tmp_path_factory.mktemp("good"), SURFACES)
    put_good_nights(settings)
    put(Lake.of(settings), ITEM_TEXT.dataset, day(1), [text_of(item) for item in ITEMS_OF])
    return settings


def text_of(item: str) -> Row:
    """What an item says: much like others of its number."""
    number = int(item.split("-")[1])
    vector = [float(number % 3 == place) for place in range(3)] + [float(number % 4 == place) for place in range(4)]
    moment = {"event_ts": f"{day(1)}T00:00:00Z", "available_ts": f"{day(1)}T01:00:00Z"}
    return {**moment, "item_id": item, "text_vector": vector, "text_space": "seven"}


def make_lists(home: Settings, **told: int) -> dict[tuple[str, str, str], list[Row]]:
    """Runs the step; the rows of each list in order, by surface, audience and query."""
    run_steps([step_named("serving_export.lists")], NIGHT, home, overrides=told)
    lists: dict[tuple[str, str, str], list[Row]] = {}
    rows = Lake.of(home).table(LISTS).read(Window(NIGHT, NIGHT)).to_pylist()
    for row in sorted(rows, key=lambda row: row["rank"]):
        lists.setdefault((row["surface"], row["audience"], row["query_id"]), []).append(row)
    return lists


CUTS = {"mmr": [{}, {"block": 3}, {"at_once": 10, "block": 4}], "dpp": [{}, {"at_once": 7}, {}]}


@pytest.mark.parametrize("method", CUTS)
def test_lists_do_not_hang_on_how_many_are_made_at_once(good, tmp_path, method):
    """With everything a shelf can have: in ranges and blocks of any size, and once more, the table is the same."""
    home = copied(good, tmp_path)
    home.surfaces.write_text(EVERYTHING.replace("METHOD", method))
    digests = set()
    for told in CUTS[method]:
        make_lists(home, **told)
        digests.add(Lake.of(home).table(LISTS).digest(NIGHT))
    assert len(digests) == 1


def test_a_list_holds_what_is_shown_and_what_waits_behind(good, tmp_path):
    """Length and reserve together, each candidate once, within caps, and drawn only where places are given away."""
    home = copied(good, tmp_path)
    home.surfaces.write_text(EVERYTHING.replace("METHOD", "mmr"))
    lists = make_lists(home)
    assert {query for surface, audience, query in lists if (surface, audience) == ("for_you", "query")} == set(USERS_OF)
    for (surface, audience, _), rows in lists.items():
        ids = [row["candidate_id"] for row in rows]
        assert [row["rank"] for row in rows] == list(range(len(ids)))
        assert len(set(ids)) == len(ids) <= {"for_you": 12, "people": 9, "beside": 6}[surface]
        drawn = {row["rank"] for row in rows if row["chance"] is not None}
        assert drawn == ({1, 6} if (surface, audience) == ("for_you", "query") else set())
    assert len(lists["for_you", "query", "u1-5"]) == 12


def small_world(settings: Settings) -> Lake:
    """Five people and five items, of which nothing is known but that everybody likes them."""
    lake = Lake.of(settings)
    people = [f"u{number}" for number in range(5)]
    put(lake, USERS, day(0), [{**FIRST, "user_id": user, "country": "FR"} for user in people])
    put(lake, ITEMS, day(0), [{**FIRST, "item_id": f"i{number}", "title": "x"} for number in range(5)])
    put(lake, POPULARITY, NIGHT, [{"item_id": f"i{number}", "score": 1.0 + number, "events": 1} for number in range(5)])
    moment = {"event_ts": f"{NIGHT}T23:00:00Z", "available_ts": f"{NIGHT}T23:30:00Z"}
    places = [{**moment, "user_id": user, "pagerank": 1.0 + place} for place, user in enumerate(people)]
    put(lake, USER_GRAPH.dataset, NIGHT, places)
    return lake


ITEMS_SHELF = "front: {query: user, length: 5, sources: {popular: {}}, gates: {min_length: 1}}"
PEOPLE_SHELF = "people: {query: user, candidate: user, sources: {well_known: {}}, gates: {min_length: 1}}"


def test_people_are_told_how_many_friends_they_have_in_common(settings, lake):
    """Exactly so many, whatever source proposed them; where there are none, what the source says."""
    small_world(settings)
    ties = [("u0", "u2"), ("u1", "u2"), ("u0", "u3"), ("u1", "u3"), ("u4", "u3")]
    rows = [{**FIRST, "src_user_id": a, "dst_user_id": b, "edge_type": "friend"} for a, b in ties]
    put(lake, EDGES, day(0), rows)
    settings.surfaces.write_text(PEOPLE_SHELF)
    lists = make_lists(settings)
    reasons = {row["candidate_id"]: row["reason"] for row in lists["people", "query", "u0"]}
    assert reasons == {"u1": "2 mutual friends", "u4": "1 mutual friend"}
    reasons = {row["candidate_id"]: row["reason"] for row in lists["people", "query", "u2"]}
    assert reasons == {"u3": "2 mutual friends", "u4": "well known"}


def test_the_list_for_everyone_tells_nobody_of_the_friends_of_another(settings, lake):
    """Whoever is given it is told only what holds for all: there are no friends in common with nobody."""
    small_world(settings)
    ties = [("u0", "u1"), ("u1", "u4"), ("u1", "u3")]
    rows = [{**FIRST, "src_user_id": a, "dst_user_id": b, "edge_type": "friend"} for a, b in ties]
    put(lake, EDGES, day(0), rows)
    settings.surfaces.write_text(PEOPLE_SHELF)
    everyone = make_lists(settings)["people", "everyone", ""]
    assert [row["candidate_id"] for row in everyone] == ["u4", "u3", "u2", "u1", "u0"]
    assert {row["reason"] for row in everyone} == {"well known"}


def test_what_is_kept_to_countries_is_in_no_list_that_anybody_may_be_given(settings, lake):
    """Where a user is not known to be, an item that is kept to some countries is not shown: neither to a user whose
    country is not told, nor in the list for everyone, which is given to users of whom nothing is known."""
    small_world(settings)
    put(lake, ITEMS, day(1), [{**FIRST, "item_id": "i4", "title": "x", "regions": "DE"}])
    put(lake, USERS, day(1), [{**FIRST, "user_id": "u0"}])
    settings.surfaces.write_text(ITEMS_SHELF)
    lists = make_lists(settings)
    assert "i4" not in {row["candidate_id"] for row in lists["front", "query", "u0"]}
    assert "i4" not in {row["candidate_id"] for row in lists["front", "everyone", ""]}


@pytest.mark.parametrize("sources", ["{rebuy: {}, popular: {}}", "{gnn: {fallback: rebuy}, popular: {}}"])
def test_what_may_be_bought_again_is_listed_though_it_is_owned(settings, lake, sources):
    """By the source that is there for it, also where that stands in for another; by no other source."""
    lake = small_world(settings)
    bought = {
        day(number): [event(f"{user}-{number}", day(number), user, "i0", "purchase") for user in ("u0", "u1")]
        for number in (0, 1)
    }
    put_days(lake, EVENTS, {**bought, day(2): [event("once", day(2), "u0", "i1", "rating")]})
    put(lake, GNN_CANDIDATES, NIGHT, [])
    settings.surfaces.write_text(ITEMS_SHELF.replace("{popular: {}}", sources))
    rows = make_lists(settings)["front", "query", "u0"]
    assert {row["candidate_id"]: row["sources"] for row in rows} == {
        "i0": "rebuy",
        **dict.fromkeys(("i2", "i3", "i4"), "popular"),
    }
    assert {row["reason"] for row in rows if row["candidate_id"] == "i0"} == {"time to buy it again"}


def test_places_to_give_away_on_a_shelf_of_people_are_refused_in_words(settings, lake):
    """How often people were shown is not counted: where that is asked for all the same, a sentence says so."""
    small_world(settings)
    put(lake, USERS, day(1), [{**FIRST, "user_id": f"more-{number}"} for number in range(9)])
    settings.surfaces.write_text(PEOPLE_SHELF.replace("gates", "length: 3, exploration: {slots: [1]}, gates"))
    with pytest.raises(SettingsError, match="exploration"):
        make_lists(settings)


def test_a_shelf_without_any_query_has_a_list_for_everyone(settings, lake):
    """Where all users left there are no lists but the fallback, and no error."""
    small_world(settings)
    gone = {"updated_ts": f"{day(1)}T00:00:00Z", "status": "deactivated"}
    put(lake, USERS, day(1), [{**gone, "user_id": f"u{number}"} for number in range(5)])
    settings.surfaces.write_text(f"{ITEMS_SHELF}\n{PEOPLE_SHELF}")
    lists = make_lists(settings)
    assert set(lists) == {("front", "everyone", "")}
    assert [row["candidate_id"] for row in lists["front", "everyone", ""]] == ["i4", "i3", "i2", "i1", "i0"]


def test_every_source_has_a_builder():
    """A source that can be named can be asked."""
    assert set(BUILDERS) == set(SourceName)


def test_an_empty_world_makes_no_entries(settings, lake):
    """Nothing landed and nothing counted: the step runs, and the table has the day with no rows."""
    put(lake, POPULARITY, NIGHT, [])
    put(lake, USER_GRAPH.dataset, NIGHT, [])
    Path(settings.surfaces).write_text(f"{ITEMS_SHELF}\n{PEOPLE_SHELF}")
    assert make_lists(settings) == {}
    assert lake.table(LISTS).was_written(NIGHT)
