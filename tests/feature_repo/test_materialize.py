"""What the night puts online is what the tables say, whatever was there before."""

from __future__ import annotations

import sqlite3
from datetime import timedelta

import pytest
import redis

from daybreak.clock import days_before, end_of
from daybreak.errors import GateError, InputError
from daybreak.features.online import MATERIALIZED
from daybreak.features.views import VIEWS, view_named
from daybreak.lake import Lake
from daybreak.settings import Settings
from feature_repo.online_store import online_store
from tests.feature_repo.conftest import Run
from tests.feature_repo.lookups import Lookups, equal
from tests.feature_repo.nights import MONDAY, TUESDAY, WEDNESDAY, rows, write, write_night
from tests.lake import land

ACTIVITY, PROFILE, PAIRS = view_named("user_activity"), view_named("user_profile"), view_named("user_item")


def test_every_value_is_looked_up_as_it_was_written(run: Run, tables: Lake, lookups: Lookups) -> None:
    """Of every view and type, through Feast alone; who is not known has no values."""
    write_night(tables, MONDAY)
    run("apply", MONDAY)
    run("materialize", MONDAY)
    for view in VIEWS.values():
        for number, written in enumerate(rows(view, MONDAY)):
            assert equal(view, lookups.of(view, number), written), view.name
        assert set(lookups.of(view, 99).values()) == {None}


def test_the_new_nights_alone_leave_what_a_full_build_would(
    run: Run, tables: Lake, lookups: Lookups, online: Settings
) -> None:
    """Night after night, some entities in both, some in one; then all anew."""
    run("apply", MONDAY)
    for ds, numbers in ((MONDAY, range(10)), (TUESDAY, range(9, 11)), (WEDNESDAY, range(10, 12))):
        write_night(tables, ds, numbers)
        run("materialize", ds)
    modes = tables.table(MATERIALIZED).read(columns=["mode"]).column("mode").to_pylist()
    assert modes.count("new") == 2 * len(VIEWS)
    by_nights = lookups.everything()
    for name in VIEWS:
        online_store(online).doubt(name, WEDNESDAY)
    run("materialize", WEDNESDAY)
    assert lookups.everything() == by_nights


def test_a_night_written_again_wins(run: Run, tables: Lake, lookups: Lookups) -> None:
    """Its rows describe the same moment as before; who is gone from them is gone online."""
    run("apply", MONDAY)
    write(tables, ACTIVITY, MONDAY, rows(ACTIVITY, MONDAY, spend_7d=1.0))
    run("materialize", MONDAY)
    write(tables, ACTIVITY, MONDAY, rows(ACTIVITY, MONDAY, range(3), spend_7d=2.0))
    run("materialize", MONDAY)
    assert [found["spend_7d"] for found in lookups.all_of(ACTIVITY, range(5))] == [2.0, 2.0, 2.0, None, None]


def test_the_night_of_an_older_day_changes_nothing(run: Run, tables: Lake, lookups: Lookups) -> None:
    """It says so, and its summary names the night that stays."""
    run("apply", MONDAY)
    write_night(tables, MONDAY)
    write_night(tables, TUESDAY)
    run("materialize", TUESDAY)
    before = lookups.everything()
    summary = run("materialize", MONDAY).summary
    assert TUESDAY in summary["kept"]
    assert lookups.everything() == before
    assert not tables.table(MATERIALIZED).was_written(MONDAY)
    assert TUESDAY in run("skew", MONDAY).summary["kept"]


def test_a_night_that_was_never_landed_is_refused(run: Run, tables: Lake, lookups: Lookups) -> None:
    """A mistyped day leaves what is online as it is, and the next night goes on from there."""
    run("apply", MONDAY)
    write_night(tables, MONDAY)
    run("materialize", MONDAY)
    before = lookups.everything()
    for name in ("materialize", "skew"):
        with pytest.raises(InputError, match=r"raw/deliveries has no day 2027-11-17; .*daybreak run jobs\.ingest"):
            run(name, "2027-11-17")
    assert lookups.everything() == before
    write_night(tables, TUESDAY)
    assert "kept" not in run("materialize", TUESDAY).summary
    assert run("skew", TUESDAY).summary["checked"] > 0


def test_who_was_not_told_of_for_too_long_is_removed(run: Run, tables: Lake, lookups: Lookups) -> None:
    """The last row of an entity counts for the view's time to live, to the moment."""
    assert ACTIVITY.ttl == timedelta(days=7)
    run("apply", MONDAY)
    first = days_before(WEDNESDAY, 7)
    write(tables, ACTIVITY, first, rows(ACTIVITY, first, [0], spend_7d=1.0))
    write(tables, ACTIVITY, TUESDAY, rows(ACTIVITY, TUESDAY, [1], spend_7d=2.0))
    run("materialize", TUESDAY)
    assert lookups.of(ACTIVITY, 0)["spend_7d"] == 1.0
    land(tables, WEDNESDAY)
    run("materialize", WEDNESDAY)
    assert lookups.of(ACTIVITY, 0)["spend_7d"] is None
    assert lookups.of(ACTIVITY, 1)["spend_7d"] == 2.0
    row = _materialized(tables, WEDNESDAY)["user_activity"]
    assert (row["mode"], row["removed"], row["entities"]) == ("new", 1, 1)


def test_a_state_that_comes_late_does_not_replace_a_newer_one(run: Run, tables: Lake, lookups: Lookups) -> None:
    """What counts is when a state began, not when it was delivered."""
    run("apply", MONDAY)
    (newer,) = rows(PROFILE, MONDAY, [0], country="NL")
    write(tables, PROFILE, MONDAY, [newer])
    run("materialize", MONDAY)
    late = newer["event_ts"] - timedelta(microseconds=1)
    write(tables, PROFILE, TUESDAY, rows(PROFILE, TUESDAY, [0], country="FR", event_ts=late))
    run("materialize", TUESDAY)
    assert lookups.of(PROFILE, 0)["country"] == "NL"


def test_a_view_without_rows_is_empty_and_no_failure(run: Run, tables: Lake, lookups: Lookups) -> None:
    """On the first night there is no table; a night may have no rows."""
    run("apply", MONDAY)
    write(tables, PAIRS, MONDAY, [])
    run("materialize", MONDAY)
    assert {row["entities"] for row in _materialized(tables, MONDAY).values()} == {0}
    assert set(lookups.of(PAIRS, 0).values()) == {None}


def test_a_feature_that_the_files_do_not_have_yet_is_null(run: Run, tables: Lake, lookups: Lookups) -> None:
    """A declaration may be ahead of the tables."""
    import pyarrow.parquet as pq

    run("apply", MONDAY)
    write(tables, ACTIVITY, MONDAY, rows(ACTIVITY, MONDAY, [0], spend_7d=1.0, spend_28d=2.0))
    table = tables.table(ACTIVITY.dataset)
    (path,) = table.local_paths(table.files())[1]
    pq.write_table(pq.read_table(path, partitioning=None).drop_columns(["spend_28d"]), path)
    run("materialize", MONDAY)
    found = lookups.of(ACTIVITY, 0)
    assert (found["spend_7d"], found["spend_28d"]) == (1.0, None)


def test_a_second_run_writes_the_same_account(run: Run, tables: Lake) -> None:
    """Though it has nothing left to do."""
    run("apply", MONDAY)
    write_night(tables, MONDAY)
    run("materialize", MONDAY)
    before = tables.table(MATERIALIZED).digest(MONDAY)
    run("materialize", MONDAY)
    assert tables.table(MATERIALIZED).digest(MONDAY) == before


def test_a_stale_view_fails_the_night(run: Run, tables: Lake) -> None:
    """Its job may miss one night, by the day of its declaration; it is told which, and who makes it."""
    run("apply", MONDAY)
    write(tables, ACTIVITY, MONDAY, rows(ACTIVITY, MONDAY))
    for ds in (TUESDAY, WEDNESDAY):
        land(tables, ds)
    run("materialize", TUESDAY)
    with pytest.raises(
        GateError,
        match=r"user_activity is stale: its newest night is 2026-11-16, 54 h old .* 30 h; run jobs\.user_activity for",
    ):
        run("materialize", WEDNESDAY)
    assert _materialized(tables, WEDNESDAY)["user_activity"]["entities"] == 5


def test_a_view_that_rightly_has_no_rows_is_fresh(run: Run, tables: Lake) -> None:
    """Its job ran every night and found nobody any more."""
    run("apply", MONDAY)
    write(tables, ACTIVITY, MONDAY, rows(ACTIVITY, MONDAY))
    for ds in (TUESDAY, WEDNESDAY):
        write(tables, ACTIVITY, ds, [])
    run("materialize", WEDNESDAY)
    assert _materialized(tables, WEDNESDAY)["user_activity"]["newest_event_ts"] == end_of(WEDNESDAY)


def test_a_stale_view_is_fresh_once_its_job_has_run_though_it_found_nobody(run: Run, tables: Lake) -> None:
    """As the sentence that stopped the night says."""
    run("apply", MONDAY)
    write(tables, ACTIVITY, MONDAY, rows(ACTIVITY, MONDAY))
    land(tables, WEDNESDAY)
    with pytest.raises(GateError, match="user_activity is stale"):
        run("materialize", WEDNESDAY)
    write(tables, ACTIVITY, WEDNESDAY, [])
    run("materialize", WEDNESDAY)
    assert _materialized(tables, WEDNESDAY)["user_activity"]["newest_event_ts"] == end_of(WEDNESDAY)


def test_a_view_whose_rows_are_all_too_old_to_count_is_stale(run: Run, tables: Lake) -> None:
    """It is not taken for one that never had a row."""
    run("apply", MONDAY)
    long_ago = days_before(WEDNESDAY, 20)
    write(tables, ACTIVITY, long_ago, rows(ACTIVITY, long_ago))
    land(tables, WEDNESDAY)
    with pytest.raises(GateError, match=f"user_activity is stale: its newest night is {long_ago}"):
        run("materialize", WEDNESDAY)
    row = _materialized(tables, WEDNESDAY)["user_activity"]
    assert (row["entities"], row["newest_event_ts"]) == (0, end_of(long_ago))


def test_entities_that_vanished_fail_the_night_and_come_back(
    run: Run, tables: Lake, lookups: Lookups, online: Settings
) -> None:
    """Somebody removed a user; the next run fills the view anew."""
    run("apply", MONDAY)
    write_night(tables, MONDAY)
    run("materialize", MONDAY)
    whole = lookups.everything()
    _remove_one_user(online)
    write_night(tables, TUESDAY, [])
    with pytest.raises(GateError, match=r"view user_profile is incomplete .* 1 of 5 entities"):
        run("materialize", TUESDAY)
    run("materialize", TUESDAY)
    assert lookups.everything() == whole


def _materialized(tables: Lake, ds: str) -> dict[str, dict[str, object]]:
    found = tables.table(MATERIALIZED).read().to_pylist()
    return {row["view"]: row for row in found if row["ds"] == ds}


def _remove_one_user(online: Settings) -> None:
    if online.online_store:
        server = redis.Redis.from_url(online.online_store)
        server.delete(next(server.scan_iter(b"\x01*user_id*u1daybreak")))
        return
    with sqlite3.connect(online.feast_home / "online.db") as database:
        database.execute("delete from daybreak_user_profile where substr(entity_key, -2) = x'7531'")
