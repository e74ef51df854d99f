"""What is looked up is what the tables say, or the night fails and says where not."""

from __future__ import annotations

import sqlite3
from typing import Any

import pytest
import redis

from daybreak.clock import days_before
from daybreak.errors import GateError, InputError
from daybreak.features.online import SKEW
from daybreak.features.services import SERVICES
from daybreak.features.views import view_named
from daybreak.lake import Lake
from daybreak.settings import Settings
from feature_repo.comparison import same
from feature_repo.newest import Nights
from feature_repo.redis_store import _field
from tests.feature_repo.conftest import Run
from tests.feature_repo.nights import MONDAY, TUESDAY, WEDNESDAY, rows, write, write_night
from tests.lake import land

ACTIVITY = view_named("user_activity")


def test_every_feature_of_every_service_is_compared(run: Run, tables: Lake) -> None:
    """Those computed on request too; the sample, and so the account, is the same in a second run."""
    write_night(tables, MONDAY)
    for name in ("apply", "materialize", "skew"):
        run(name, MONDAY)
    found = tables.table(SKEW).read().to_pylist()
    compared = {(row["service"], row["view"]) for row in found}
    for name, service in SERVICES.items():
        assert {view for of, view in compared if of == name} == {
            *(chosen.view.name for chosen in service.chosen),
            "on_request",
        }
    assert all(row["checked"] > 0 and row["different"] == 0 for row in found)
    before = tables.table(SKEW).digest(MONDAY)
    run("skew", MONDAY)
    assert tables.table(SKEW).digest(MONDAY) == before


def test_a_value_that_somebody_changed_is_found_and_mended(run: Run, tables: Lake, online: Settings) -> None:
    """The sentence names view, feature, entity and both values; filling again sets it right."""
    write_night(tables, MONDAY, [])
    write(tables, ACTIVITY, MONDAY, rows(ACTIVITY, MONDAY, range(2), spend_7d=0.1))
    run("apply", MONDAY)
    run("materialize", MONDAY)
    _change(online)
    with pytest.raises(GateError, match=r"user_activity\.spend_7d of user_id u1 is 0\.1 in the tables and 0\.5 online"):
        run("skew", MONDAY)
    assert {row["view"] for row in tables.table(SKEW).read().to_pylist() if row["different"]} == {"user_activity"}
    run("materialize", MONDAY)
    assert run("skew", MONDAY).summary["different"] == 0


def test_who_should_be_gone_and_is_not_is_found(
    run: Run, tables: Lake, online: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where the online store were filled without regard to the time to live."""
    run("apply", MONDAY)
    first = days_before(WEDNESDAY, 8)
    write(tables, ACTIVITY, first, rows(ACTIVITY, first, [0]))
    write(tables, ACTIVITY, WEDNESDAY, rows(ACTIVITY, WEDNESDAY, [1]))
    with monkeypatch.context() as mistaken:
        mistaken.setattr(Nights, "oldest", None)
        run("materialize", WEDNESDAY)
    with pytest.raises(GateError, match=r"user_activity\.\w+ of user_id u0 is None in the tables and \S+ online"):
        run("skew", WEDNESDAY)
    run("materialize", WEDNESDAY)
    assert run("skew", WEDNESDAY).summary["different"] == 0


def test_it_needs_the_night_online_and_the_services_applied(run: Run, tables: Lake) -> None:
    """Otherwise it says which step comes first."""
    land(tables, MONDAY)
    land(tables, TUESDAY)
    with pytest.raises(InputError, match=r"does not hold night 2026-11-16 of user_profile.*feature_repo.materialize"):
        run("skew", MONDAY)
    run("materialize", MONDAY)
    with pytest.raises(InputError, match=r"service ranker; run feature_repo.apply first"):
        run("skew", MONDAY)
    with pytest.raises(InputError, match=f"does not hold night {TUESDAY}"):
        run("skew", TUESDAY)


@pytest.mark.parametrize(
    ("one", "other", "equal"),
    [
        (0.1, 0.1, True),
        (0.0, -0.0, False),
        (float("nan"), float("nan"), True),
        (0.1, None, False),
        (1, 1.0, False),
        (None, None, True),
        ([0.5, 1.0], [0.5, 1.0], True),
        ([0.5], [0.5, 1.0], False),
        ([], None, False),
    ],
)
def test_equal_means_to_the_last_bit(one: Any, other: Any, equal: bool) -> None:
    """And of the same type."""
    assert same(one, other) is equal


def _change(online: Settings) -> None:
    """Makes the spending of u1 a half."""
    half = b"\x29\0\0\0\0\0\0\xe0\x3f"
    if online.online_store:
        server = redis.Redis.from_url(online.online_store)
        server.hset(next(server.scan_iter(b"\x01*user_id*u1daybreak")), _field("user_activity:spend_7d"), half)
        return
    with sqlite3.connect(online.feast_home / "online.db") as database:
        database.execute(
            "update daybreak_user_activity set value = ? where substr(entity_key, -2) = x'7531' and feature_name = ?",
            (half, "spend_7d"),
        )
