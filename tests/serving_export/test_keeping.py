"""Lists of those of whom nothing was heard stay as they are, less what may not be shown any more."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.candidates import COOCCURRENCE, POPULARITY, TRENDING
from daybreak.datasets import EVENTS, ITEMS, LISTS, SHELVES, USERS
from daybreak.lake import Lake, Window
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from tests.lake import put
from tests.serving_export.homes import copied, home_in
from tests.serving_export.nights import PLAIN, put_candidates, put_champion, put_tiny_night
from tests.tiny import Row, TinyWorld, day, event

WORLD = TinyWorld(days=4)
BEFORE, NIGHT = day(3), day(4)
HEARD = ("u0-0", "u1-1")
SHORT = PLAIN.replace("length: 50", "length: 10\n  reserve: 4").replace("length: 30", "length: 10\n  reserve: 4")
LISTS_STEP = step_named("serving_export.lists")


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A night's lists, and a next day on which only two users were heard of. Who changes it changes a copy."""
    settings = home_in(tmp_path_factory.mktemp("before"), SHORT.replace("min_length: 20", "min_length: 5"))
    lake = Lake.of(settings)
    put_tiny_night(lake, WORLD)
    run(settings, BEFORE)
    put(lake, EVENTS, NIGHT, [event(f"new{n}", NIGHT, user, "i2-3") for n, user in enumerate(HEARD)])
    put_candidates(lake, WORLD, NIGHT)
    return settings


@pytest.fixture
def home(before: Settings, tmp_path: Path) -> Settings:
    return copied(before, tmp_path)


def run(settings: Settings, ds: str = NIGHT, **told: object) -> Row:
    """The summary of the lists; no night is a full one by its date."""
    return run_steps([LISTS_STEP], ds, settings, overrides={"full_every_days": 1_000, **told})[0].summary


def lists_on(settings: Settings, ds: str, surface: str = "for_you") -> dict[str, list[Row]]:
    rows = Lake.of(settings).table(LISTS).read(Window(ds, ds)).to_pylist()
    lists: dict[str, list[Row]] = {}
    for row in sorted(rows, key=lambda row: row["rank"]):
        if row["surface"] == surface and row["audience"] == "query":
            lists.setdefault(row["query_id"], []).append(row)
    return lists


def made_anew(settings: Settings, ds: str = NIGHT, surface: str = "for_you") -> set[str]:
    return {query for query, rows in lists_on(settings, ds, surface).items() if {row["made"] for row in rows} == {ds}}


def test_only_lists_of_those_who_were_heard_of_are_made_anew(home):
    """The others' are those of the night before, entry by entry, and say which night made them."""
    told = run(home)
    everybody = WORLD.groups * WORLD.users
    assert (told["for_you_made"], told["for_you_kept"]) == (len(HEARD), everybody - len(HEARD))
    assert made_anew(home) == set(HEARD)
    old, new = lists_on(home, BEFORE), lists_on(home, NIGHT)
    assert set(new) == set(old)
    for query, rows in new.items():
        if query not in HEARD:
            assert [{**row, "ds": BEFORE} for row in rows] == old[query]
    assert made_anew(home, surface="similar_items") == {"i2-3"}
    (shelf,) = [row for row in rows_of_shelves(home) if row["surface"] == "for_you"]
    assert (shelf["made"], shelf["kept"], shelf["alike"]) == (len(HEARD), everybody - len(HEARD), 1.0)


def rows_of_shelves(home: Settings) -> list[Row]:
    return Lake.of(home).table(SHELVES).read(Window(NIGHT, NIGHT)).to_pylist()


def test_a_second_run_and_blocks_of_any_size_keep_the_same(home):
    """Digests are equal."""
    digests = []
    for sizes in ({}, {}, {"block": 3, "at_once": 6}):
        run(home, **sizes)
        digests.append(Lake.of(home).table(LISTS).digest(NIGHT))
    assert len(set(digests)) == 1


def test_what_may_not_be_shown_any_more_leaves_kept_lists_and_the_rest_move_up(home):
    """An item that was retired is gone from all lists; ranks stay without gaps, and the reserve fills the shelf."""
    gone = lists_on(home, BEFORE)["u2-2"][1]["candidate_id"]
    later = {"updated_ts": f"{NIGHT}T01:00:00Z", "title": "x", "status": "deactivated"}
    put(Lake.of(home), ITEMS, NIGHT, [{"item_id": gone, **later}])
    run(home)
    old, new = lists_on(home, BEFORE)["u2-2"], lists_on(home, NIGHT)["u2-2"]
    assert "u2-2" not in made_anew(home)
    assert [row["candidate_id"] for row in new] == [row["candidate_id"] for row in old if row["candidate_id"] != gone]
    assert [row["rank"] for row in new] == list(range(len(old) - 1))
    assert all(gone not in {row["candidate_id"] for row in rows} for rows in lists_on(home, NIGHT).values())


def test_a_list_that_has_become_too_short_is_made_anew(home):
    """Where more is gone than the reserve holds, the query is listed anew at full length."""
    old = [row["candidate_id"] for row in lists_on(home, BEFORE)["u2-2"]]
    later = {"updated_ts": f"{NIGHT}T01:00:00Z", "title": "x", "status": "deactivated"}
    put(Lake.of(home), ITEMS, NIGHT, [{"item_id": item, **later} for item in old[:5]])
    run(home)
    assert "u2-2" in made_anew(home)
    assert len(lists_on(home, NIGHT)["u2-2"]) == 14


def test_who_left_has_no_list_and_who_changed_has_a_new_one(home):
    """A new state of a user is heard of as an event is."""
    states = [
        {"user_id": "u2-0", "updated_ts": f"{NIGHT}T01:00:00Z", "status": "deactivated"},
        {"user_id": "u2-1", "updated_ts": f"{NIGHT}T01:00:00Z", "status": "active", "country": "FR"},
    ]
    put(Lake.of(home), USERS, NIGHT, states)
    run(home)
    assert "u2-0" not in lists_on(home, NIGHT)
    assert made_anew(home) == {*HEARD, "u2-1"}


def test_a_full_night_keeps_nothing(home):
    """By its date, where the shelf is declared otherwise, where another version lists, and without a night before."""
    assert run(home, full_every_days=1)["for_you_kept"] == 0
    assert run(home)["for_you_kept"] > 0
    put_champion(Lake.of(home), {("user", "u0-0"): ["i0-1"]}, NIGHT)
    assert run(home)["for_you_kept"] == 0
    put_candidates(Lake.of(home), WORLD, NIGHT)
    assert run(home)["for_you_kept"] > 0
    text = Path(home.surfaces).read_text()
    Path(home.surfaces).write_text(text.replace("weight: 0.5}\n    trending", "weight: 0.6}\n    trending"))
    told = run(home)
    assert told["for_you_kept"] == 0
    assert told["similar_items_kept"] > 0


def test_lists_that_would_be_quite_others_by_now_are_not_kept(home):
    """A sample is made anew: where what is popular and near has changed too much, all are."""
    lake = Lake.of(home)
    for dataset in (COOCCURRENCE, POPULARITY, TRENDING):
        rows = lake.table(dataset).read(Window(NIGHT, NIGHT)).to_pylist()
        put(lake, dataset, NIGHT, [{**row, "score": 1 / (1 + row["score"])} for row in rows])
    told = run(home, least_alike=0.99)
    assert told["for_you_kept"] == 0
    assert made_anew(home) == set(lists_on(home, NIGHT))
    (shelf,) = [row for row in rows_of_shelves(home) if row["surface"] == "for_you"]
    assert shelf["alike"] < 0.99
    assert run(home, least_alike=0.0)["for_you_kept"] > 0
