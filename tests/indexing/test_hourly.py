"""What comes in the afternoon is found within the hour, what goes is not, and the night folds all of it in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daybreak.datasets import DELIVERIES, ITEMS, QUARANTINE, USERS
from daybreak.embeddings import ARRIVALS
from daybreak.errors import GateError, InputError, StaleAttempt
from daybreak.features.described import ITEM_CATALOGUE, ITEM_TEXT
from daybreak.lake import Lake, Window
from daybreak.learning import ITEM
from daybreak.releases import ReleaseStore
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from daybreak.vectors import directions
from indexing.opened import OpenIndex
from indexing.spaces import Space
from tests.lake import put
from tests.tiny import Row, day, deliver
from tests.training.homes import copy_of, run_night
from tests.training.learning_homes import INDEX, NIGHT, WORLD
from tests.training.test_embeddings import a_quiet_day
from tests.training.worlds import group_of

pytestmark = pytest.mark.slow
TODAY = NIGHT + 1
HOUR = ("arrivals", "indexing.delta")
NEW, GONE = "i1-afternoon", WORLD.item(0, 3)
NOON = f"{day(TODAY)}T12:30:00Z"


@pytest.fixture
def home(learned: Settings, tmp_path: Path) -> Settings:
    return copy_of(learned, tmp_path)


def state(item: str, **changes: Any) -> Row:
    """An item's state of this noon."""
    return {"item_id": item, "updated_ts": NOON, "title": item, "status": "active", **changes}


def arrive(settings: Settings, *states: Row) -> None:
    """Items that were landed today, with what the feature jobs tell of them: the group of a new one is in its name."""
    lake = Lake.of(settings)
    put(lake, ITEMS, day(TODAY), states)
    shown = [row["item_id"] for row in states if row["status"] == "active"]
    told = {"event_ts": NOON, "available_ts": NOON, "ds": day(TODAY)}
    put(
        lake,
        ITEM_CATALOGUE.dataset,
        day(TODAY),
        [{"item_id": item, "category": f"group-{group_of(item)}", "price": 3.0, **told} for item in shown],
    )
    vectors = {item: [float(group_of(item) == place) for place in range(4)] for item in shown}
    put(
        lake, ITEM_TEXT.dataset, day(TODAY), [{"item_id": item, "text_vector": vectors[item], **told} for item in shown]
    )


def live(settings: Settings) -> OpenIndex:
    return OpenIndex.of(ReleaseStore(settings.releases, "index").current())


def beside(index: OpenIndex, item: str, k: int = 10) -> list[str]:
    return index.ask(Space.FOR_ITEMS, item, k).ids


def everything_found(index: OpenIndex) -> set[str]:
    """Every item that some search can find."""
    vectors = directions(np.asarray(index.items.vectors))
    rows, _ = index.search(Space.FOR_ITEMS, vectors, len(index))
    return set(index.names(np.unique(rows[rows >= 0])))


def test_an_item_of_the_afternoon_is_found_after_the_hour_and_again_after_the_night(home):
    """Beside those of its group and for its users; the night then has it among its own, with no delta left."""
    night = live(home)
    assert NEW not in everything_found(night)
    arrive(home, state(NEW))
    summaries = run_night(home, TODAY, *HOUR)
    assert summaries["indexing.delta"]["published"]
    index = live(home)
    assert NEW in everything_found(index)
    assert {group_of(item) for item in beside(index, NEW, 5)} == {1}
    assert any(NEW in index.ask(Space.FOR_USERS, WORLD.user(1, n), 40).ids for n in range(WORLD.users))
    assert index.contents.fresh_until == "2026-11-11T12:30:00+00:00"

    a_quiet_day(home)
    run_night(home, TODAY, "ids", "candidates", "embeddings", *INDEX)
    folded = live(home)
    assert (folded.contents.ds, folded.contents.delta) == (day(TODAY), None)
    assert NEW in folded.items.ids.to_pylist()
    assert NEW in everything_found(folded)


def test_the_hour_embeds_by_the_very_version_of_the_index(home):
    """A changed item gets the vector that this version gives to what it is now; nobody else's is made."""
    arrive(home, state(NEW), state(WORLD.item(2, 1)))
    run_night(home, TODAY, "arrivals")
    rows = Lake.of(home).table(ARRIVALS).read(Window(day(TODAY), day(TODAY))).to_pylist()
    assert [row["item_id"] for row in rows] == [NEW, WORLD.item(2, 1)]
    index = live(home)
    assert {(row["version"], row["digest"]) for row in rows} == {(index.contents.version, index.contents.digest)}
    before = index.vector(ITEM, WORLD.item(2, 1))
    assert not np.array_equal(before, np.float32(rows[1]["vector"]))
    assert np.dot(*directions(np.stack([before, np.float32(rows[1]["vector"])]))) > 0.5


def test_an_item_that_may_no_longer_be_shown_is_found_no_more(home):
    """Not by any search, nor can one ask beside it."""
    arrive(home, state(GONE, status="deactivated"))
    run_night(home, TODAY, *HOUR)
    index = live(home)
    assert index.contents.delta.gone == (GONE,)
    assert GONE not in everything_found(index)
    with pytest.raises(InputError, match=f"has no vector of item {GONE}"):
        index.ask(Space.FOR_ITEMS, GONE, 3)


def test_a_changed_item_is_found_once_by_its_new_vector(home):
    """What the night knew of it is hidden."""
    changed = WORLD.item(0, 5)
    arrive(home, state(changed, title="another"))
    run_night(home, TODAY, *HOUR)
    index = live(home)
    assert index.row(changed) >= len(index.items)
    rows, _ = index.search(Space.FOR_ITEMS, directions(np.asarray(index.items.vectors)), len(index))
    for line in rows:
        assert index.names(line[line >= 0]).count(changed) == 1


def test_an_item_that_launches_today_is_found_though_it_was_announced_before(home):
    """Its state is of the night, which could not show it yet."""
    announced = state(NEW, updated_ts=f"{day(NIGHT)}T08:00:00Z", launched_ts=f"{day(TODAY)}T09:00:00Z")
    arrive(home, announced)
    lake = Lake.of(home)
    put(lake, ITEMS, day(NIGHT), [announced])
    put(lake, ITEMS, day(TODAY), [])
    assert run_night(home, TODAY, *HOUR)["arrivals"]["items"] == 1
    assert NEW in everything_found(live(home))


def test_the_files_of_the_night_are_the_very_same(home):
    """Linked and not copied, so an hour costs what came."""
    night = ReleaseStore(home.releases, "index").current()
    arrive(home, state(NEW))
    run_night(home, TODAY, *HOUR)
    hour = ReleaseStore(home.releases, "index").current()
    assert hour.id != night.id
    assert hour.manifest.ds == night.manifest.ds
    for name in ("items.arrow", "users.arrow", "alike.npy"):
        assert hour.file(name).samefile(night.file(name))


def test_the_hour_again_changes_nothing_and_the_next_one_stands_on_the_night(home):
    """The same arrivals make no other release; later ones are added to the same night."""
    arrive(home, state(NEW))
    run_night(home, TODAY, *HOUR)
    store = ReleaseStore(home.releases, "index")
    first = store.current()
    again = run_night(home, TODAY, *HOUR)["indexing.delta"]
    assert (again["published"], again["because"]) == (False, "nothing came since")
    arrive(home, state(NEW), state("i2-later"), state(GONE, status="deactivated"))
    run_night(home, TODAY, *HOUR)
    second = live(home)
    assert second.fresh.ids.to_pylist() == [NEW, "i2-later"]
    assert store.current().stands_on == first.stands_on
    assert len(second) == len(OpenIndex.of(first))


def test_one_can_roll_back_to_the_hour_before(home):
    """At once, and it stays so until it is let go."""
    night = live(home).name
    arrive(home, state(NEW))
    run_night(home, TODAY, *HOUR)
    store = ReleaseStore(home.releases, "index")
    store.rollback(reason="the new item is wrong")
    assert live(home).name == night
    assert NEW not in everything_found(live(home))
    arrive(home, state(NEW), state("i2-later"))
    summary = run_night(home, TODAY, *HOUR)["indexing.delta"]
    assert (summary["published"], summary["because"]) == (False, f"{night} is pinned")
    assert live(home).name == night


def test_too_much_at_once_is_refused_and_the_old_index_serves(home):
    """A delivery that changes half of the catalogue is for the night; the sentence names the gate."""
    before = live(home).name
    arrive(home, *(state(WORLD.item(0, n), title="another") for n in range(WORLD.items)))
    with pytest.raises(GateError, match=r"both delta_share is 0\.\d+ and must be <= 0\.1") as caught:
        run_night(home, TODAY, *HOUR)
    assert "\n" not in str(caught.value)
    assert live(home).name == before


def test_vectors_of_another_model_are_refused(home):
    """Arrivals that were made for another index are never searched beside this one's."""
    arrive(home, state(NEW))
    run_night(home, TODAY, "arrivals")
    lake = Lake.of(home)
    (row,) = lake.table(ARRIVALS).read(Window(day(TODAY), day(TODAY))).to_pylist()
    put(lake, ARRIVALS, day(TODAY), [{**row, "version": 2, "digest": "of another"}])
    before = live(home).name
    with pytest.raises(InputError, match=r"vectors of two_tower-2, and the live index .* is of two_tower-1"):
        run_night(home, TODAY, "indexing.delta")
    assert live(home).name == before


def test_an_hour_that_a_night_overtakes_withdraws(home):
    """It stands on a release that is not live any more when it is done."""
    arrive(home, state(NEW))
    run_night(home, TODAY, *HOUR)
    store = ReleaseStore(home.releases, "index")
    hour, night = store.current_id(), store.current().stands_on
    store.rollback(reason="as if a night had come", pin=False)
    with pytest.raises(StaleAttempt, match=f"it stands on {hour}, and {night} is live by now"):
        store.publish(hour, reason="hour", instead_of=hour)


def test_without_an_index_there_is_nothing_to_add_to(learned, tmp_path):
    """The steps say so and end well."""
    home = copy_of(learned, tmp_path)
    (home.releases / "index" / "CURRENT").unlink()
    summaries = run_night(home, TODAY, *HOUR)
    assert {name: summary["index"] for name, summary in summaries.items()} == {
        "arrivals": "none is live yet",
        "indexing.delta": "none is live yet",
    }


def test_items_are_landed_without_the_day_they_belong_to(tmp_path, spark):
    """Only items of today are landed, though the day's events are not there yet; what stood in the ledgers and in the
    quarantine of other datasets stays; and the same lines land again."""
    home = Settings(home=tmp_path, spark_memory="1g")
    lake, window = Lake.of(home), Window(day(TODAY), day(TODAY))
    user = {"user_id": "u1", "updated_ts": NOON, "status": "active"}
    deliver(home.landing, "users", day(TODAY), [user, {**user, "user_id": "u2", "status": "odd"}])
    deliver(home.landing, "items", day(TODAY), [state(NEW), {**state("i1-odd"), "status": "sold"}])
    for only in ("users", "items", "items"):
        run_steps([step_named("jobs.ingest")], day(TODAY), home, overrides={"only": only, "max_bad_share": 0.5})
    assert lake.table(ITEMS).read(window)["item_id"].to_pylist() == [NEW]
    assert lake.table(USERS).read(window)["user_id"].to_pylist() == ["u1"]
    ledger = lake.table(DELIVERIES).read(window).to_pylist()
    assert {row["dataset"]: (row["rows_in"], row["accepted"], row["quarantined"]) for row in ledger} == {
        "raw/users": (2, 1, 1),
        "raw/items": (2, 1, 1),
    }
    refused = lake.table(QUARANTINE).read(window).to_pylist()
    assert sorted(row["dataset"] for row in refused) == ["raw/items", "raw/users"]
