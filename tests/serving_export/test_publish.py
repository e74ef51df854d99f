"""Only judged lists go live, as the same bytes whenever the night is built."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.datasets import LISTS
from daybreak.errors import GateError
from daybreak.lake import Window
from daybreak.learning import CHAMPIONS
from daybreak.releases import ReleaseStore
from daybreak.runner import run_steps
from daybreak.steps import step_named
from serving_export import publish
from serving_export.reader.snapshot import Snapshot
from tests.lake import put
from tests.serving_export.nights import NIGHT, put_candidates, put_champion, put_tiny_night
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


def test_what_is_live_is_what_the_table_holds(settings, lake, store):
    """Every list of the table is in the snapshot in its order, with what is known of its items."""
    put_tiny_night(lake)
    summary = run_night(settings)
    release = store.current()
    assert summary["published"]
    assert release.id == summary["release"]
    assert release.is_good
    lists: dict[tuple[str, str], list[str]] = {}
    rows = lake.table(LISTS).read(Window(NIGHT, NIGHT)).to_pylist()
    for row in sorted(rows, key=lambda row: row["rank"]):
        lists.setdefault((row["surface"], row["query_id"]), []).append(row["candidate_id"])
    snapshot = Snapshot(release)
    for (surface, query), expected in lists.items():
        assert [entry["id"] for entry in snapshot.entries(surface, query) or []] == expected
    assert summary["lists"] == len(lists)
    assert snapshot.item("i0-0")["title"] == "Item i0-0"


def test_only_lists_beside_items_leave_out_what_is_asked_for(settings, lake, store):
    """The release says of each surface whether its fallback may hold the query: as the rule `own` says, for items."""
    put_tiny_night(lake)
    with Path(settings.surfaces).open("a") as file:
        file.write("\nself_too: {query: item, sources: {popular: {}}, rules: {own: false}}\n")
    run_night(settings)
    snapshot = Snapshot(store.current())
    surfaces = ("for_you", "similar_items", "self_too")
    held = {name: {entry["id"] for entry in snapshot.entries(name, "") or []} for name in surfaces}
    asked = next(iter(set.intersection(*held.values())))
    assert {name for name in surfaces if asked not in {e["id"] for e in snapshot.fallback(name, asked)}} == {
        "similar_items"
    }


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


@pytest.mark.parametrize("damage", ["swapped", "lost"])
def test_the_audit_catches_a_snapshot_that_differs_from_the_table(settings, lake, store, monkeypatch, damage):
    """A writer that swaps the entries of a list, or loses a list, makes no release that goes live."""
    put_tiny_night(lake)
    right = publish.write_lists

    def wrong(path, lists, items, without_own):
        spoilt = [(s, q, entries[::-1] if q == "i0-0" and damage == "swapped" else entries) for s, q, entries in lists]
        return right(path, spoilt[:-1] if damage == "lost" else spoilt, items, without_own)

    monkeypatch.setattr(publish, "write_lists", wrong)
    with pytest.raises(GateError, match=r"failed its audit: lists .*stays live"):
        run_night(settings)
    assert store.current_id() is None


def test_a_damaged_live_release_does_not_hold_up_the_next_night(settings, lake, store):
    """Where the release that is live was lost, a newer night still goes live."""
    world = put_tiny_night(lake, TinyWorld(days=5))
    lost = store.folder / run_night(settings)["release"]
    lost.rename(lost.with_name(".lost"))
    put_candidates(lake, world, day(4))
    assert store.current_id() == lost.name
    assert run_night(settings, day(4))["published"]
