"""Only judged lists go live, as the same bytes whenever the night is built."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.candidates import SEGMENTS
from daybreak.datasets import LISTS, USERS
from daybreak.errors import GateError
from daybreak.features.described import USER_GRAPH
from daybreak.lake import Lake, Window
from daybreak.learning import CHAMPIONS
from daybreak.releases import ReleaseStore
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from serving_export import publish
from serving_export.reader.layout import LISTS_FILE
from serving_export.reader.recommendations import recommend
from serving_export.reader.snapshot import Snapshot
from tests.lake import put
from tests.serving_export.homes import copied, home_in
from tests.serving_export.nights import (
    NIGHT,
    items_of,
    put_candidates,
    put_champion,
    put_tiny_night,
    users_of,
)
from tests.tiny import TinyWorld, day

STEPS = [step_named(f"serving_export.{name}") for name in ("lists", "gates", "publish")]


@pytest.fixture
def store(settings) -> ReleaseStore:
    return ReleaseStore(settings.releases)


def run_night(settings, ds: str = NIGHT) -> dict:
    """The summary of publishing."""
    return run_steps(STEPS, ds, settings)[-1].summary


def contents(store: ReleaseStore, release_id: str) -> dict[str, bytes]:
    """The files of a release that a reader sees, byte by byte."""
    release = store.open(release_id)
    return {name: release.file(name).read_bytes() for name in release.manifest.files}


SHELVES = """
for_you:
  query: user
  length: 10
  reserve: 4
  sources: {segment: {}, popular: {}}
  exploration: {slots: [2], pool: 5}
  gates: {min_length: 1, max_popular: 1.0}

beside: {query: item, length: 5, sources: {popular: {}}, gates: {min_length: 1, max_popular: 1}}
self_too: {query: item, length: 5, sources: {popular: {}}, rules: {own: false}, gates: {min_length: 1, max_popular: 1}}

people:
  query: user
  candidate: user
  length: 6
  reserve: 2
  sources: {well_known: {}}
  gates: {min_length: 1, min_catalogue: 0.0}
"""
"""A shelf with lists of segments and places given away, two beside items, and one of people."""
WORLD = TinyWorld()
USER = WORLD.user(0, 1)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with the shelves above, whose lists are made and judged; not to be changed."""
    settings = home_in(tmp_path_factory.mktemp("judged"), SHELVES)
    lake = Lake.of(settings)
    put_tiny_night(lake, WORLD)
    first = {"updated_ts": f"{day(0)}T00:00:00Z", "status": "active"}
    users = [(user, f"group {group}") for group in range(2) for user in users_of(WORLD, group)]
    put(lake, USERS, day(1), [{**first, "user_id": user, "segment": segment} for user, segment in users])
    told = [{"item_id": i, "score": 1.0 + n, "events": 1} for n, i in enumerate(items_of(WORLD, 0))]
    put(lake, SEGMENTS, NIGHT, [{**row, "segment": "group 0"} for row in told])
    moment = {"event_ts": f"{NIGHT}T23:00:00Z", "available_ts": f"{NIGHT}T23:30:00Z"}
    places = [{**moment, "user_id": user, "pagerank": 1.0 + n} for n, (user, _) in enumerate(users)]
    put(lake, USER_GRAPH.dataset, NIGHT, places)
    run_steps(STEPS[:2], NIGHT, settings)
    return settings


@pytest.fixture(scope="module")
def live(judged: Settings, tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """The release of that night, as a reader opens it."""
    settings = copied(judged, tmp_path_factory.mktemp("live"))
    (record,) = run_steps(STEPS[2:], NIGHT, settings)
    release = ReleaseStore(settings.releases).current()
    assert record.summary["published"]
    assert release.id == record.summary["release"]
    assert release.is_good
    assert release.manifest.files[LISTS_FILE].rows == record.summary["lists"]
    return Snapshot(release)


def test_what_is_live_is_what_the_table_holds(judged, live):
    """Every list of the table is in the snapshot in its order, with source, reason, and the chance where one is."""
    lists: dict[tuple[str, str, str], list[dict]] = {}
    rows = Lake.of(judged).table(LISTS).read(Window(NIGHT, NIGHT)).to_pylist()
    for row in sorted(rows, key=lambda row: row["rank"]):
        lists.setdefault((row["surface"], row["audience"], row["query_id"]), []).append(row)
    assert {audience for _, audience, _ in lists} == {"query", "segment", "everyone"}
    for (surface, audience, query), rows in lists.items():
        found = live.of_segment(surface, query) if audience == "segment" else live.entries(surface, query)
        told = [(entry["id"], entry["source"], entry["reason"]) for entry in found or []]
        assert told == [(row["candidate_id"], row["source"], row["reason"]) for row in rows]
        for entry, row in zip(found or [], rows, strict=True):
            assert ("chance" in entry) is (row["chance"] is not None)
            assert entry.get("chance", 1.0) == pytest.approx(row["chance"] or 1.0, rel=1e-3)
    assert live.release.manifest.files[LISTS_FILE].rows == len(lists)
    assert live.told_of("for_you", "i0-0")["title"] == "Item i0-0"


def test_a_release_serves_each_shelf_as_it_is_declared(live):
    """Its length without what waits behind, lists of segments for their users, and no titles for people."""
    assert [live.length(surface) for surface in ("for_you", "people")] == [10, 6]
    assert [len(live.entries(surface, USER) or []) for surface in ("for_you", "people")] == [14, 8]
    assert [len(recommend(live, surface, USER, 99, 0.0)["items"]) for surface in ("for_you", "people")] == [10, 6]
    assert live.fallback("for_you", USER) == ("segment", live.of_segment("for_you", "group 0"))
    assert live.fallback("for_you", WORLD.user(2, 1)) == ("everyone", live.entries("for_you", ""))
    assert live.told_of("people", "i0-0") == {}


def test_of_what_was_drawn_the_release_tells_the_chance(live):
    """For users the third place is given away, so there a chance of less than one stands, and nowhere else; lists for
    segments and for everyone give nothing away."""
    for user in users_of(WORLD, 0):
        chances = [entry.get("chance") for entry in live.entries("for_you", user) or []]
        assert [place for place, chance in enumerate(chances) if chance is not None] == [2]
        assert 0 < chances[2] < 1
    for entries in (live.entries("for_you", ""), live.of_segment("for_you", "group 0")):
        assert all("chance" not in entry for entry in entries or [])


def test_only_lists_of_what_is_asked_for_leave_it_out(live):
    """The release says of each surface whether its fallback may hold the query: as the rule `own` says, where queries
    are what candidates are."""
    asked = {"beside": "i2-11", "self_too": "i2-11", "for_you": "i2-11", "people": "u1-7"}
    assert all(asked[name] in {entry["id"] for entry in live.entries(name, "") or []} for name in asked)
    left_out = {name for name in asked if asked[name] not in {e["id"] for e in live.fallback(name, asked[name])[1]}}
    assert left_out == {"beside", "people"}


def test_a_release_names_the_models_that_it_was_built_from(settings, lake, store):
    """With version, digest and the last day that each had seen; without champions it names none, nor models that no
    surface asks."""
    world = put_tiny_night(lake)
    run_night(settings)
    assert store.current().manifest.built_from["models"] == {}
    alone = store.current().manifest.model
    assert alone.startswith("blend-")
    put_champion(lake, {("user", world.user(0, 0)): [world.item(2, 0)]}, version=7)
    run_night(settings)
    manifest = store.current().manifest
    assert manifest.built_from["models"] == {
        "gnn": {"version": 7, "digest": f"{7:064}", "trained_until": NIGHT},
    }
    assert manifest.model == f"gnn-7+{alone}"
    assert manifest.built_from["tables"]["training/champions"] == lake.table(CHAMPIONS).version()
    for sources in ("{popular: {}}", "{two_tower: {}, popular: {}}"):
        Path(settings.surfaces).write_text(f"one: {{query: user, sources: {sources}, gates: {{min_length: 1}}}}\n")
        run_night(settings)
        assert store.current().manifest.built_from["models"] == {}


def test_a_night_built_again_is_the_same_release(settings, lake, store):
    """A second run, and one after a later day has landed and gone live, give the same id and the same bytes; the
    pointer does not go back to the older day."""
    world = put_tiny_night(lake, TinyWorld(days=5))
    first = run_night(settings)
    before = contents(store, first["release"])
    assert run_night(settings)["release"] == first["release"]

    put_candidates(lake, world, day(4))
    later = run_night(settings, day(4))
    assert store.current_id() == later["release"] != first["release"]

    rebuilt = run_night(settings)
    assert rebuilt["release"] == first["release"]
    assert rebuilt["published"] is False
    assert later["release"] in rebuilt["because"]
    assert contents(store, first["release"]) == before
    assert store.current_id() == later["release"]


def test_a_verdict_on_other_lists_is_none(settings, lake, store):
    """Lists that changed after they were judged are not published."""
    put_tiny_night(lake)
    run_steps(STEPS[:2], NIGHT, settings)
    rows = lake.table(LISTS).read(Window(NIGHT, NIGHT)).to_pylist()
    put(lake, LISTS, NIGHT, [{**row, "score": row["score"] / 2} for row in rows])
    with pytest.raises(GateError, match="judged other lists"):
        run_steps(STEPS[2:], NIGHT, settings)
    assert store.current_id() is None


def test_a_surface_that_nobody_judged_is_not_published(settings, lake, store):
    """A surface added between the gates and publishing stops the night, with what to run again."""
    put_tiny_night(lake)
    run_steps(STEPS[:2], NIGHT, settings)
    with Path(settings.surfaces).open("a") as file:
        file.write("\nmore: {query: user, sources: {popular: {quota: 5}}, gates: {min_length: 1}}\n")
    with pytest.raises(GateError, match="the surfaces are now for_you, similar_items, more; run serving_export"):
        run_steps(STEPS[2:], NIGHT, settings)
    assert store.current_id() is None


DAMAGES = {
    "a list": ("for_you", "query", "u0-1"),
    "that of a segment": ("for_you", "segment", "group 0"),
    "that of everyone": ("people", "everyone", ""),
    "lost": None,
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_audit_catches_a_snapshot_that_differs_from_the_table(judged, tmp_path, monkeypatch, damage):
    """A writer that turns a list of any audience round, or loses one, makes no release that goes live."""
    home = copied(judged, tmp_path)
    right, damaged = publish.write_lists, DAMAGES[damage]

    def wrong(path, lists, items, served, segments):
        spoilt = [each._replace(entries=each.entries[::-1]) if each[:3] == damaged else each for each in lists]
        return right(path, spoilt[:-1] if damage == "lost" else spoilt, items, served, segments)

    monkeypatch.setattr(publish, "write_lists", wrong)
    with pytest.raises(GateError, match=r"failed its audit: lists .*stays live"):
        run_steps(STEPS[2:], NIGHT, home)
    assert ReleaseStore(home.releases).current_id() is None


def test_a_damaged_live_release_does_not_hold_up_the_next_night(settings, lake, store):
    """Where the release that is live was lost, a newer night still goes live."""
    world = put_tiny_night(lake, TinyWorld(days=5))
    lost = store.folder / run_night(settings)["release"]
    lost.rename(lost.with_name(".lost"))
    put_candidates(lake, world, day(4))
    assert store.current_id() == lost.name
    assert run_night(settings, day(4))["published"]
