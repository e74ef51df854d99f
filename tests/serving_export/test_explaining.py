"""A list can be explained down to the events, and two releases compared."""

from __future__ import annotations

import json

import pytest

from daybreak.datasets import EVENTS, LISTS
from daybreak.errors import InputError
from daybreak.lake import Window
from daybreak.learning import CHAMPIONS
from daybreak.releases import ReleaseStore
from daybreak.runner import run_steps
from daybreak.steps import step_named
from serving_export.difference import difference
from serving_export.explaining import explain
from tests.lake import put
from tests.serving_export.nights import NIGHT, put_candidates, put_champion, put_tiny_night
from tests.tiny import TinyWorld, day, event

STEPS = [step_named(f"serving_export.{name}") for name in ("lists", "gates", "publish")]


def written(lake, surface: str, query: str) -> list[str]:
    rows = [row for row in lake.table(LISTS).read(Window(NIGHT, NIGHT)).to_pylist() if row["audience"] == "query"]
    mine = [row for row in rows if (row["surface"], row["query_id"]) == (surface, query)]
    return [row["candidate_id"] for row in sorted(mine, key=lambda row: row["rank"])]


@pytest.mark.parametrize(("surface", "query"), [("for_you", "u1-1"), ("similar_items", "i0-3")])
def test_an_explanation_goes_through_the_night_again_with_the_same_result(settings, lake, surface, query):
    """Every entry is there in its place, each with the sources that proposed it, and all of it can be written as
    JSON."""
    put_tiny_night(lake)
    run_steps(STEPS[:1], NIGHT, settings)
    told = explain(settings, surface, query, NIGHT)
    assert told["same_as_written"]
    assert [entry["candidate"] for entry in told["entries"]] == written(lake, surface, query)
    for entry in told["entries"]:
        shares = sum(each["weight"] / (60 + each["rank"]) for each in entry["sources"])
        assert entry["merged_score"] == pytest.approx(shares)
    json.dumps(told)


def test_an_explanation_names_what_led_there_and_what_was_kept_out(settings, lake):
    """The item by which a source came to an entry is one that the user wanted; what the user owns is told as kept out
    by that rule, and the user's last events by their ids."""
    world = put_tiny_night(lake)
    put_champion(lake, {("user", "u1-1"): ["i1-5", "i2-0"]})
    run_steps(STEPS[:1], NIGHT, settings)
    told = explain(settings, "for_you", "u1-1", NIGHT)
    mine = [row for number in range(world.days) for row in world.events(number) if row["user_id"] == "u1-1"]
    led_by = {each["because"] for entry in told["entries"] for each in entry["sources"] if "because" in each}
    assert led_by
    assert led_by <= {row["item_id"] for row in mine}
    owned = {row["item_id"] for row in mine if row["event_type"] == "purchase"}
    assert owned
    assert {each["candidate"] for each in told["dropped"] if each["rules"] == ["owned"]} == owned
    assert {each["event_id"] for each in told["events"]} <= {row["event_id"] for row in mine}
    assert told["models"][0]["model"] == "gnn"


def test_an_explanation_tells_of_what_the_list_hangs_on_alone(settings, lake):
    """The models that list or rank for the surface, not all champions; a fallback only where it was asked."""
    put_tiny_night(lake)
    put_champion(lake, {("user", "u1-1"): ["i1-5", "i2-0"]})
    champions = lake.table(CHAMPIONS).read(Window(NIGHT, NIGHT)).drop_columns(["ds"]).to_pylist()
    put(lake, CHAMPIONS, NIGHT, [{**champions[0], "model": model} for model in ("gnn", "people")])
    run_steps(STEPS[:1], NIGHT, settings)
    assert [each["model"] for each in explain(settings, "for_you", "u1-1", NIGHT)["models"]] == ["gnn"]
    fallbacks = "for_you: {query: user, sources: {gnn: {fallback: trending}, popular: {}}}"
    settings.surfaces.write_text(fallbacks)
    for user, asked in (("u1-1", ["gnn", "popular"]), ("u1-2", ["gnn", "trending", "popular"])):
        told = explain(settings, "for_you", user, NIGHT)
        assert [each["source"] for each in told["sources"]] == asked


def test_an_explanation_says_where_tables_have_changed_since(settings, lake):
    """A late event that lands in the night's own day makes another list; the written one is not explained away."""
    put_tiny_night(lake)
    run_steps(STEPS[:1], NIGHT, settings)
    rows = lake.table(EVENTS).read(Window(NIGHT, NIGHT)).drop_columns(["ds", "landed_ds"]).to_pylist()
    bought = written(lake, "for_you", "u1-1")[0]
    put(lake, EVENTS, NIGHT, [*rows, event("late", NIGHT, "u1-1", bought, "purchase")])
    told = explain(settings, "for_you", "u1-1", NIGHT)
    assert not told["same_as_written"]
    assert bought in {each["candidate"] for each in told["dropped"]}


def test_who_has_no_list_is_told_why(settings, lake):
    """A user whom nobody knows, and a surface that is not there."""
    put_tiny_night(lake)
    with pytest.raises(InputError, match=r"user 'nobody' is not known on .* of its segment, or everyone's"):
        explain(settings, "for_you", "nobody", NIGHT)
    with pytest.raises(InputError, match="no surface is called 'front'; there are: for_you, similar_items"):
        explain(settings, "front", "u1-1", NIGHT)


def test_two_releases_are_compared_list_by_list(settings, lake):
    """Of two nights of which one user did something new, that user's list is among those that differ; a release beside
    itself differs in nothing."""
    world = put_tiny_night(lake, TinyWorld(days=5))
    run_steps(STEPS, NIGHT, settings)
    put_candidates(lake, world, day(4))
    run_steps(STEPS, day(4), settings)
    store = ReleaseStore(settings.releases)
    old, new = store.open(NIGHT), store.open(day(4))
    told = difference(old, new)
    lists = told["surfaces"]["for_you"]["lists"]
    assert lists["both"] == world.groups * world.users
    assert lists["first"] == lists["second"] == 0
    assert lists["same"] < lists["both"]
    differing = told["surfaces"]["for_you"]["examples"]
    assert differing
    assert all(example["first"] != example["second"] for example in differing)
    before, after = told["built_from"]["tables"][LISTS.name]
    assert before < after
    same = difference(new, new)
    assert same["surfaces"]["for_you"]["entries_kept"] == 1.0
    assert same["surfaces"]["for_you"]["lists"]["same"] == lists["both"]
    assert same["built_from"] == {"tables": {}, "models": {}}
    assert list(difference(old, new, "similar_items")["surfaces"]) == ["similar_items"]
