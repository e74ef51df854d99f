"""States of users and items as features: each from the moment it began, whenever its file came."""

from __future__ import annotations

from datetime import datetime

import pytest

from daybreak.clock import due
from daybreak.datasets import ITEMS, USERS
from daybreak.features.described import ITEM_CATALOGUE, ITEM_TEXT, USER_PROFILE
from daybreak.lake import Lake
from daybreak.settings import Settings
from tests.jobs.feature_nights import build, item_state, rows_of
from tests.lake import land, put
from tests.tiny import Row, day

STEPS = ("user_profile", "item_catalogue", "item_text")

pytestmark = pytest.mark.usefixtures("spark")


def user_state(name: str, number: int, country: str, hour: int = 0) -> Row:
    moment = f"{day(number)}T{hour:02d}:00:00+00:00"
    return {"user_id": name, "updated_ts": moment, "country": country, "status": "active"}


def countries(lake: Lake, number: int) -> dict[str, str]:
    """What a night told of users."""
    return {user: row["country"] for (user,), row in rows_of(lake, USER_PROFILE, number).items()}


def test_a_first_run_takes_the_states_of_all_nights(settings: Settings, lake: Lake) -> None:
    """Each under the night that brought it, known from when that was due; the newest of one night stands."""
    put(lake, USERS, day(0), [user_state("u", 0, "DE"), user_state("v", 0, "SE")])
    put(lake, USERS, day(2), [user_state("u", 2, "FR", 8), user_state("u", 2, "IT", 9)])
    land(lake, *(day(number) for number in range(20)))
    build(settings, 19, STEPS[:1])
    assert [countries(lake, number) for number in (0, 1, 2, 19)] == [{"u": "DE", "v": "SE"}, {}, {"u": "IT"}, {}]
    row = rows_of(lake, USER_PROFILE, 2)["u",]
    assert row["event_ts"] == datetime.fromisoformat(f"{day(2)}T09:00:00+00:00")
    assert row["available_ts"] == due(day(2), settings.night_due)


def test_states_whose_file_came_late_are_taken_by_the_next_night(settings: Settings, lake: Lake) -> None:
    """The night had run without them, and had nothing to tell; of items their texts too."""
    put(lake, USERS, day(0), [user_state("u", 0, "DE")])
    put(lake, ITEMS, day(0), [item_state("i", 0, 1)])
    land(lake, day(0), day(1))
    build(settings, 0, STEPS)
    build(settings, 1, STEPS)
    assert countries(lake, 1) == {}
    put(lake, USERS, day(1), [user_state("late", 1, "FR")])
    put(lake, ITEMS, day(1), [item_state("late", 1, 1)])
    land(lake, day(2))
    build(settings, 2, STEPS)
    assert countries(lake, 1) == {"late": "FR"}
    assert rows_of(lake, ITEM_CATALOGUE, 1).keys() == {("late",)}
    assert ("late",) in rows_of(lake, ITEM_TEXT, 1)


def test_a_night_landed_again_is_told_again(settings: Settings, lake: Lake) -> None:
    """A corrected file changes what its night told, and no other night is made again for it."""
    put(lake, USERS, day(0), [user_state("u", 0, "DE")])
    put(lake, USERS, day(1), [user_state("v", 1, "SE")])
    land(lake, day(0), day(1), day(2))
    build(settings, 1, STEPS[:1])
    put(lake, USERS, day(0), [user_state("u", 0, "FR")])
    build(settings, 2, STEPS[:1])
    assert [countries(lake, number) for number in range(3)] == [{"u": "FR"}, {"v": "SE"}, {}]
    newest, *_ = lake.table(USER_PROFILE.dataset).history()
    assert newest["days"] == f"{day(0)} {day(2)}"


@pytest.mark.parametrize(
    ("text", "words"), [(None, 0), ("", 0), ("  ", 0), ("one", 1), (" two\twords\n", 2), ("naïve café — three", 4)]
)
def test_words_are_what_space_parts(settings: Settings, lake: Lake, text: str | None, words: int) -> None:
    """An item without a description has none."""
    put(lake, ITEMS, day(0), [item_state("i", 0, 1, title="A lamp", description=text)])
    land(lake, day(0))
    build(settings, 0, ("item_catalogue",))
    row = rows_of(lake, ITEM_CATALOGUE, 0)["i",]
    assert (row["title_words"], row["description_words"]) == (2, words)
