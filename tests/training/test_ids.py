"""An id keeps its row, whichever night landed when."""

from __future__ import annotations

import itertools

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daybreak.datasets import ITEMS, USERS
from daybreak.errors import InputError, ModelError
from daybreak.features.partials import ITEM_DAYS, USER_DAYS
from daybreak.lake import Lake
from daybreak.learning import ID_ROWS, ITEM, USER
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from tests.lake import io_of, land, put_days
from tests.tiny import Row, day, event
from tests.training.worlds import counted
from training.data.ids import IdMap, first_met, id_map

STEP = "training.ids"
USERS_BY_NIGHT = {0: ["u9", "u1"], 1: [], 2: ["u5", "u1", "u0"]}
"""The users whose state each night delivers."""
EVENTS = {
    0: [event(1, day(0), "u1", "i7"), event(2, day(0), "u3", "i2")],
    1: [event(3, day(1), "u2", "i7"), event(4, day(0), "u8", "i1")],
    2: [event(5, day(2), "u9", "i9")],
}
"""What users do, by the night that delivers it: u3 and u8 are known by their events alone, and u8's came late."""
ROWS = {USER: ["u1", "u3", "u9", "u2", "u8", "u0", "u5"], ITEM: ["i2", "i7", "i8", "i1", "i9"]}
"""By night of the first delivery, then by name."""


def state(user: str, night: int) -> Row:
    return {"user_id": user, "updated_ts": f"{day(night)}T00:00:00Z", "status": "active"}


def deliver(lake: Lake, *nights: int) -> None:
    """Lands these nights at once: states, and what was counted of events."""
    put_days(lake, USERS, {day(night): [state(user, night) for user in USERS_BY_NIGHT[night]] for night in nights})
    new = {"item_id": "i8", "updated_ts": f"{day(0)}T00:00:00Z", "title": "new", "status": "active"}
    put_days(lake, ITEMS, {day(night): [new] if night == 0 else [] for night in nights})
    put_days(lake, USER_DAYS, {day(night): counted(EVENTS[night], ("user_id",)) for night in nights})
    put_days(lake, ITEM_DAYS, {day(night): counted(EVENTS[night], ("item_id",)) for night in nights})
    land(lake, *(day(night) for night in nights))


def run(settings: Settings, night: int) -> Row:
    return run_steps([step_named(STEP)], day(night), settings)[0].summary


def rows(settings: Settings, night: int) -> dict[str, list[str]]:
    """The ids in the order of their rows, as of a night."""
    io = io_of("training.gnn", settings, day(night))
    return {entity: id_map(io, entity).ids.to_pylist() for entity in (USER, ITEM)}


def test_ids_stand_by_the_night_that_first_delivered_them(settings, lake):
    """Whether by their state or by an event, also a late one; within a night by name."""
    deliver(lake, 0, 1, 2)
    summary = run(settings, 2)
    assert rows(settings, 2) == ROWS
    assert summary == {"new_users": 7, "new_items": 5, "nights": 3}


def test_an_id_keeps_its_row_from_night_to_night(settings, lake):
    """New ids come after those that were known; a night that brings none adds none."""
    found = []
    for night in range(3):
        deliver(lake, night)
        run(settings, night)
        found.append(rows(settings, night))
    for earlier, later in itertools.pairwise(found):
        for entity in (USER, ITEM):
            assert later[entity][: len(earlier[entity])] == earlier[entity]
    assert found[-1] == ROWS


def test_nights_landed_one_by_one_or_at_once_give_the_same_table(settings, lake, tmp_path):
    """Every night's rows are equal, digest by digest."""
    for night in range(3):
        deliver(lake, night)
        run(settings, night)
    other = settings.elsewhere(tmp_path / "other")
    deliver(Lake.of(other), 0, 1, 2)
    run(other, 2)
    tables = [Lake.of(each).table(ID_ROWS) for each in (settings, other)]
    assert [table.days() for table in tables] == [{day(0): 6, day(1): 3, day(2): 3}] * 2
    assert [tables[0].digest(day(night)) for night in range(3)] == [tables[1].digest(day(night)) for night in range(3)]


def test_a_night_that_is_run_again_writes_the_same_rows(settings, lake):
    """Also after later nights, whose rows it leaves alone."""
    deliver(lake, 0, 1, 2)
    run(settings, 2)
    table = lake.table(ID_ROWS)
    digests = [table.digest(day(night)) for night in range(3)]
    for night in (2, 1, 0):
        assert run(settings, night)["nights"] == 1
    assert [table.digest(day(night)) for night in range(3)] == digests


def test_an_older_night_sees_no_id_of_a_later_one(settings, lake):
    """A model of that night has no rows for whom nobody had met."""
    deliver(lake, 0, 1, 2)
    run(settings, 2)
    assert rows(settings, 0) == {USER: ROWS[USER][:3], ITEM: ROWS[ITEM][:3]}


def test_a_night_that_was_not_landed_is_refused(settings, lake):
    """One sentence says which step comes first, and nothing is written."""
    deliver(lake, 0)
    with pytest.raises(InputError, match=f"raw/deliveries has no day {day(1)}"):
        run(settings, 1)
    assert lake.table(ID_ROWS).version() is None


def test_a_night_that_meets_nobody_writes_an_empty_day(settings, lake):
    """It was asked, and says so."""
    land(lake, day(0))
    assert run(settings, 0) == {"new_users": 0, "new_items": 0, "nights": 1}
    assert lake.table(ID_ROWS).was_written(day(0))
    assert rows(settings, 0) == {USER: [], ITEM: []}


MET = st.lists(st.tuples(st.sampled_from("abcdefg"), st.sampled_from(["2026-11-01", "2026-11-02", "2026-11-03"])))


@given(known=st.frozensets(st.sampled_from("abcdefg")), met=MET)
def test_who_is_met_first_follows_a_plain_reading(known, met):
    """Each unknown id once, on its first night, numbered there by name from 0."""
    table = pa.table({"entity_id": pa.array([i for i, _ in met], pa.string()), "ds": pa.array([d for _, d in met])})
    table = table.set_column(1, "ds", table["ds"].cast(pa.string()))
    found = first_met(pa.chunked_array([pa.array(sorted(known), pa.string())]), table)
    first = {name: min(ds for other, ds in met if other == name) for name, _ in met if name not in known}
    expected = []
    for ds in sorted(set(first.values())):
        mine = sorted(name for name in first if first[name] == ds)
        expected += [{"entity_id": name, "ds": ds, "number": number} for number, name in enumerate(mine)]
    assert found.to_pylist() == expected


@given(ids=st.lists(st.text("abc", min_size=1), unique=True), asked=st.lists(st.text("abcd", min_size=1)))
def test_rows_are_places_and_what_has_none_is_told(ids, asked):
    """An id's row is its place in the list, and -1 stands for an id that is not in it."""
    found = IdMap(ids).rows(pa.array(asked, pa.string()))
    assert found.tolist() == [ids.index(name) if name in ids else -1 for name in asked]
    assert IdMap(ids).of(found[found >= 0]).to_pylist() == [name for name in asked if name in ids]


def test_maps_are_told_apart_by_their_digest():
    """The same ids in the same rows have the same one, others have another."""
    assert IdMap(["a", "b"]).digest == IdMap(pa.chunked_array([["a"], ["b"]])).digest
    assert len({IdMap(ids).digest for ids in (["a", "b"], ["b", "a"], ["ab"], ["a"], [])}) == 5


def test_a_model_of_another_world_is_refused():
    """Where fewer than half of a model's ids are known, one sentence says what to do; half of them are enough."""
    here = IdMap(["a", "b", "c"])
    assert here.rows_of(IdMap(["b", "x"]), "the teacher").tolist() == [1, -1]
    with pytest.raises(ModelError, match="the teacher knows 3 ids, of which only 1 are known here") as caught:
        here.rows_of(IdMap(["b", "x", "y"]), "the teacher")
    assert "DAYBREAK_LAKE_URL" in str(caught.value)
    assert "\n" not in str(caught.value)
