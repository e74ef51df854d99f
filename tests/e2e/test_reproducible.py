"""A night is a function of its day: run twice, or rebuilt later, it leaves the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.datasets import AUDITS, GATES, SHELVES
from daybreak.features.online import MATERIALIZED
from daybreak.releases import ReleaseStore
from daybreak.settings import Settings
from serving_export.reader.snapshot import Snapshot
from tests.e2e.nights import WORLD, copy_of, deliver_world, digests, live, run_night, settings_in
from tests.tiny import day

pytestmark = pytest.mark.slow
TELL_HOW = {MATERIALIZED.name, AUDITS.name, GATES.name, SHELVES.name}
"""What tells how nights went about it, which differs for a night that finds nothing and lands all days: gates compare
with the lists of the night before, and keep those of whom nothing was heard, where there are any."""


@pytest.fixture(scope="module")
def nights(undisturbed: Settings, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Days 2 and 3 of the tiny world, night after night; day 3 brings a late event of day 2 and a refused row."""
    return copy_of(undisturbed, tmp_path_factory.mktemp("nights"))


def test_two_runs_of_a_night_give_equal_table_digests_and_release_checksums(nights: Settings) -> None:
    """Running the last night again changes neither a table day nor the release."""
    before, release = digests(nights, day(3)), live(nights)
    run_night(nights, day(3))
    assert digests(nights, day(3)) == before
    assert live(nights) == release


def test_a_night_rebuilt_after_later_days_have_landed_gives_equal_digests_and_release(nights: Settings) -> None:
    """Night 2, run again after day 3 has landed a late event into day 2, makes what it made then."""
    store = ReleaseStore(nights.releases)
    before = digests(nights, day(2))
    then = next(release for release in store.finished() if release.manifest.ds == day(2))
    checksums = then.manifest.files
    run_night(nights, day(2))
    assert digests(nights, day(2)) == before
    rebuilt = [release for release in store.finished() if release.manifest.ds == day(2)]
    assert [release.manifest.files for release in rebuilt] == [checksums]
    assert store.current().manifest.ds == day(3), "a rebuilt past night must not take the place of a newer one"


def test_a_night_on_another_machine_gives_the_same_digests_and_release(nights: Settings, tmp_path: Path) -> None:
    """The same deliveries in another folder, landed in one go by the last night alone, end in the same tables, features
    of earlier nights included, and in the same release."""
    elsewhere = settings_in(tmp_path)
    deliver_world(elsewhere.landing)
    run_night(elsewhere, day(3))
    assert live(elsewhere) == live(nights)
    expected = digests(nights, day(3))
    made = {table: digest for table, digest in digests(elsewhere, day(3)).items() if table[0] not in TELL_HOW}
    assert made == {table: expected[table] for table in made}
    assert {name for name, _ in made} == {name for name, _ in expected} - TELL_HOW


def test_lists_recommend_what_the_tiny_world_makes_right(nights: Settings) -> None:
    """Users meet only their own group's items, so every list of a user begins with items of that group."""
    snapshot = Snapshot(ReleaseStore(nights.releases).current())
    for group in range(WORLD.groups):
        for number in range(WORLD.users):
            entries = snapshot.entries("for_you", WORLD.user(group, number))
            assert entries, f"no list for {WORLD.user(group, number)}"
            assert entries[0]["id"].startswith(f"i{group}-")
        for number in range(WORLD.items):
            entries = snapshot.entries("similar_items", WORLD.item(group, number))
            assert entries
            assert {entry["id"].split("-")[0] for entry in entries[:5]} == {f"i{group}"}
