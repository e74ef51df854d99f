"""The order of people is learned from whom people were tied to after earlier nights, and from nothing later."""

from __future__ import annotations

from pathlib import Path

import pyarrow.compute as pc
import pytest

from daybreak.candidates import LIVELY_PEOPLE, PEOPLE_PAIRS
from daybreak.datasets import EDGES, USERS
from daybreak.lake import Lake, Window
from daybreak.learning import ENTITIES, ID_ROWS, TIE_ORDER
from daybreak.ranking.ties import NAMES, PRIOR
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from tests.lake import put_days
from tests.tiny import Row, day

USERS_OF = [f"u{number:02}" for number in range(24)]
NIGHT = 3


def school(user: str) -> str:
    return "east" if int(user[1:]) % 2 else "west"


def edge(src: str, dst: str, night: int) -> Row:
    updated = f"{day(night)}T12:00:00Z"
    return {"src_user_id": src, "dst_user_id": dst, "edge_type": "friend", "updated_ts": updated, "status": "active"}


def same_school(night: int) -> list[Row]:
    """On that night everybody befriends somebody of the same school."""
    return [edge(user, USERS_OF[(at + 2 * night) % len(USERS_OF)], night) for at, user in enumerate(USERS_OF)]


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    settings = Settings(home=tmp_path)
    lake = Lake.of(settings)
    states = [
        {"user_id": user, "updated_ts": f"{day(0)}T00:00:00Z", "status": "active", "school": school(user)}
        for user in USERS_OF
    ]
    put_days(lake, USERS, {day(0): states})
    ids = [{"entity": entity, "number": n, "entity_id": name} for entity in ENTITIES for n, name in enumerate(USERS_OF)]
    put_days(lake, ID_ROWS, {day(0): ids})
    ring = [edge(user, USERS_OF[(at + 1) % len(USERS_OF)], 0) for at, user in enumerate(USERS_OF)]
    put_days(lake, EDGES, {day(0): ring, **{day(night): same_school(night) for night in range(1, NIGHT + 1)}})
    return settings


def looked(settings: Settings, *nights: int) -> None:
    for night in nights:
        run_steps([step_named("jobs.people_pairs")], day(night), settings)


def weights(settings: Settings, night: int = NIGHT, **options: object) -> dict[str, Row]:
    run_steps([step_named("training.tie_order")], day(night), settings, overrides=options)
    rows = Lake.of(settings).table(TIE_ORDER).read(Window(since=day(night), until=day(night))).to_pylist()
    return {row["measure"]: row for row in rows}


def test_the_first_night_orders_by_what_measures_weigh_before_anything_is_learned(settings: Settings) -> None:
    looked(settings, NIGHT)
    found = weights(settings)
    assert [found[name]["weight"] for name in NAMES] == PRIOR.tolist()
    assert {row["users"] for row in found.values()} == {0} == {row["nights"] for row in found.values()}


def test_a_later_night_weighs_more_what_ties_followed(settings: Settings) -> None:
    looked(settings, 0, 1, 2)
    found = weights(settings)
    assert found["school"]["weight"] > PRIOR[NAMES.index("school")] + 0.3
    assert found["school"]["users"] == 3 * len(USERS_OF)
    assert found["school"]["nights"] == 3


def test_a_night_without_candidates_is_passed_over(settings: Settings) -> None:
    looked(settings, 0, 2)
    assert weights(settings)["school"]["nights"] == 2


def test_what_later_days_tell_changes_nothing(settings: Settings) -> None:
    looked(settings, 0, 1)
    before = weights(settings, 2)
    lake = Lake.of(settings)
    late = [edge(USERS_OF[0], user, 2) for user in USERS_OF[5:15]]
    put_days(lake, EDGES, {day(NIGHT): [*same_school(NIGHT), *late]})
    assert weights(settings, 2) == before


def test_what_only_the_uploader_of_contacts_may_know_teaches_nothing(settings: Settings) -> None:
    """Even where everybody follows just those whom they had uploaded."""
    uploaded = [{**row, "edge_type": "contact", "updated_ts": f"{day(0)}T12:00:00Z"} for row in same_school(1)]
    ring = [edge(user, USERS_OF[(at + 1) % len(USERS_OF)], 0) for at, user in enumerate(USERS_OF)]
    followed = [{**row, "edge_type": "follow"} for row in same_school(1)]
    put_days(Lake.of(settings), EDGES, {day(0): [*ring, *uploaded], day(1): followed})
    looked(settings, 0)
    pairs = Lake.of(settings).table(PEOPLE_PAIRS).read(Window(since=day(0), until=day(0)))
    assert pc.sum(pairs["contact"]).as_py() == len(USERS_OF)
    found = weights(settings, 1)
    assert found["contact"]["weight"] == PRIOR[NAMES.index("contact")]
    assert found["contact"]["users"] == 0


def test_of_many_only_so_many_teach_and_the_same_ones_each_time(settings: Settings) -> None:
    looked(settings, 0, 1)
    found = weights(settings, 2, most_users=5)
    assert found["school"]["users"] == 10
    assert weights(settings, 2, most_users=5) == found


def test_a_world_without_ties_has_an_order_too(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    lake = Lake.of(settings)
    put_days(lake, ID_ROWS, {day(0): [{"entity": "user", "number": 0, "entity_id": "u0"}]})
    put_days(lake, USERS, {day(0): [{"user_id": "u0", "updated_ts": f"{day(0)}T00:00:00Z", "status": "active"}]})
    looked(settings, 0)
    assert [row["weight"] for row in weights(settings, 1).values()] == PRIOR.tolist()


def test_the_liveliest_are_candidates_of_all_who_are_not_tied_to_them(settings: Settings) -> None:
    looked(settings, 0)
    lake = Lake.of(settings)
    lively = lake.table(LIVELY_PEOPLE).read(Window(since=day(0), until=day(0)))
    assert pc.all(pc.equal(lively["ties"], 2.0)).as_py()
    near = lake.table(PEOPLE_PAIRS).read(Window(since=day(0), until=day(0))).num_rows
    assert near < len(USERS_OF) * (len(USERS_OF) - 3)
    assert weights(settings, 1, lively=24)["school"]["users"] == len(USERS_OF)
