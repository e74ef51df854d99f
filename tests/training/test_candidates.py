"""What the champions list is what they score, of whom and what may be listed, and the alias decides whose it is."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from daybreak.datasets import ITEMS, USERS
from daybreak.errors import DaybreakError, InputError, ModelError, RegistryUnreachable
from daybreak.lake import Lake, Window
from daybreak.learning import CHAMPIONS, GNN_CANDIDATES, ITEM, USER, Model
from daybreak.settings import Settings
from tests.lake import io_of, put
from tests.tiny import Row, day
from tests.training.homes import copy_of, run_night
from tests.training.registry.toys import move, registered
from tests.training.worlds import GroupWorld, group_of
from training.data.ids import id_map
from training.data.wants import number_of, wants_of
from training.graph_teacher import fitted, read
from training.models.graph_filter import FilterSettings
from training.registry.versions import Versions
from training.retrieval import NightView, view_at

WORLD = GroupWorld(days=11, newcomers=1)
NIGHT, NEXT = 9, 10
TABLES = (CHAMPIONS, GNN_CANDIDATES)


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory, empty_database: Path) -> Settings:
    """A lake of eleven nights whose tenth has trained a teacher, which is champion. Who changes it changes a copy."""
    settings = Settings(home=tmp_path_factory.mktemp("taught"), steps={"training.gnn": {"trials": 2}})
    settings.mlflow_home.mkdir()
    (settings.mlflow_home / "mlflow.db").write_bytes(empty_database.read_bytes())
    WORLD.put(Lake.of(settings))
    summaries = run_night(settings, NEXT, "ids") | run_night(settings, NIGHT, "ids", "due", "gnn")
    assert summaries["gnn"]["promoted"], summaries["gnn"]["why"]
    return settings


@pytest.fixture
def home(taught: Settings, tmp_path: Path) -> Settings:
    return copy_of(taught, tmp_path)


def listed(settings: Settings, night: int = NIGHT) -> dict[tuple[str, str], list[Row]]:
    """Each list of the teacher, in the order of its ranks."""
    rows = Lake.of(settings).table(GNN_CANDIDATES).read(Window(day(night), day(night))).to_pylist()
    lists: dict[tuple[str, str], list[Row]] = {}
    for row in sorted(rows, key=lambda row: row["rank"]):
        lists.setdefault((row["query"], row["query_id"]), []).append(row)
    return lists


def ids(rows: list[Row]) -> list[str]:
    return [row["item_id"] for row in rows]


def digests(settings: Settings, night: int = NIGHT) -> list[str]:
    return [Lake.of(settings).table(dataset).digest(day(night)) for dataset in TABLES]


def view_of(settings: Settings, night: int) -> NightView:
    """What the night knew, read anew."""
    io = io_of("training.gnn", settings, day(night))
    users, items = id_map(io, USER), id_map(io, ITEM)
    return view_at(number_of(day(night)), wants_of(io, users, items, 90), users, items)


def by_hand(settings: Settings, night: int, version: int) -> dict[tuple[str, str], list[str]]:
    """Every list as a plain sort of the version's scores makes it."""
    versions, view = Versions.of(settings), view_of(settings, night)
    scorer, names = read(versions.fetch(versions.get(Model.GNN, version))).at(view), view.items.ids.to_pylist()
    lists = {}
    for query, queries, score, length in (
        ("user", view.users, scorer.for_users, 150),
        ("item", view.items, scorer.for_items, 60),
    ):
        together = score(np.arange(len(queries))).astype(np.float64)
        for name, scores in zip(queries.ids.to_pylist(), together, strict=True):
            rows = [place for place in range(len(names)) if np.isfinite(scores[place]) and names[place] != name]
            ranked = sorted(rows, key=lambda place: (-scores[place], place))[:length]
            if ranked:
                lists[query, name] = [names[place] for place in ranked]
    return lists


def test_every_user_and_item_has_the_list_that_the_champion_scores(home):
    """To the item what sorting the scores by hand gives; ranks count from 0 and nothing stands twice."""
    summary = run_night(home, NIGHT, "candidates")["candidates"]
    lists, expected = listed(home), by_hand(home, NIGHT, 1)
    assert {query: ids(rows) for query, rows in lists.items()} == expected
    for rows in lists.values():
        assert [row["rank"] for row in rows] == list(range(len(rows)))
        assert len(set(ids(rows))) == len(rows)
        assert sorted((row["score"] for row in rows), reverse=True) == [row["score"] for row in rows]
    assert {name for query, name in lists if query == "user"} == set(WORLD.users_map.ids.to_pylist())
    assert summary == {
        "gnn_version": 1,
        "gnn_rows": sum(len(rows) for rows in lists.values()),
        "two_tower_version": "no champion yet",
        "ranker_version": "no champion yet",
        "people_version": "no champion yet",
        "people_rows": 0,
    }


def test_users_and_items_are_given_their_group(home):
    """Nothing of another group, no newcomer that nobody has wanted, and beside an item never the item itself."""
    run_night(home, NIGHT, "candidates")
    for (query, name), rows in listed(home).items():
        assert {group_of(item) for item in ids(rows)} == {group_of(name)}
        assert name not in ids(rows)
        assert not any(WORLD.is_newcomer(item) for item in ids(rows))
        assert query == "user" or not WORLD.is_newcomer(name)


def test_who_listed_is_kept(home):
    """The version, its digest, until when it had learned, and why it is the champion."""
    run_night(home, NIGHT, "candidates")
    (row,) = Lake.of(home).table(CHAMPIONS).read(Window(day(NIGHT), day(NIGHT))).to_pylist()
    version = Versions.of(home).get(Model.GNN, 1)
    assert row == {
        "model": "gnn",
        "version": 1,
        "digest": version.digest,
        "trained_until": day(NIGHT),
        "because": "passed every gate",
        "release": None,
        "ds": day(NIGHT),
    }
    assert {entry["version"] for rows in listed(home).values() for entry in rows} == {1}


def test_whoever_may_not_be_shown_or_asked_for_is_left_out(home):
    """A deactivated user has no list; a retired item stands in none and has none."""
    since = f"{day(NIGHT)}T00:00:00Z"
    gone, retired = WORLD.user(0, 0), WORLD.item(0, 7)
    put(Lake.of(home), USERS, day(NIGHT), [{"user_id": gone, "updated_ts": since, "status": "deactivated"}])
    off = {"item_id": retired, "updated_ts": since, "title": "", "status": "deactivated"}
    put(Lake.of(home), ITEMS, day(NIGHT), [off])
    run_night(home, NIGHT, "candidates")
    lists = listed(home)
    assert ("user", gone) not in lists
    assert ("item", retired) not in lists
    assert retired not in {item for rows in lists.values() for item in ids(rows)}
    assert ("user", WORLD.user(0, 1)) in lists


def test_where_nothing_may_be_shown_nothing_is_listed(home):
    """A catalogue of retired items makes empty tables and no error."""
    off = {"updated_ts": f"{day(NIGHT)}T00:00:00Z", "title": "", "status": "deactivated"}
    put(Lake.of(home), ITEMS, day(NIGHT), [{"item_id": item, **off} for item in WORLD.items_map.ids.to_pylist()])
    assert run_night(home, NIGHT, "candidates")["candidates"]["gnn_rows"] == 0
    assert listed(home) == {}


def test_without_a_champion_nothing_is_listed(home):
    """The tables of the night are there and empty, and the summary says why."""
    Versions.of(home).registry.client.delete_registered_model_alias(Model.GNN, "champion")
    summary = run_night(home, NIGHT, "candidates")["candidates"]
    assert (summary["gnn_version"], summary["gnn_rows"]) == ("no champion yet", 0)
    for dataset in TABLES:
        table = Lake.of(home).table(dataset)
        assert table.was_written(day(NIGHT))
        assert table.read(Window(day(NIGHT), day(NIGHT))).num_rows == 0


def test_a_second_run_lists_the_same(home):
    """Digests are equal, table by table."""
    run_night(home, NIGHT, "candidates")
    first = digests(home)
    run_night(home, NIGHT, "candidates")
    assert digests(home) == first


def test_blocks_lose_nobody(home):
    """Worked on a few at a time, everybody has as long a list with the same scores, but for rounding."""
    run_night(home, NIGHT, "candidates")
    whole = listed(home)
    run_night(home, NIGHT, "candidates", block=5)
    cut = listed(home)
    assert set(cut) == set(whole)
    for query, rows in whole.items():
        assert [row["score"] for row in cut[query]] == pytest.approx([row["score"] for row in rows], rel=1e-4, abs=1e-4)


def test_lists_are_as_long_as_they_are_told_to_be(home):
    """For users and beside items."""
    run_night(home, NIGHT, "candidates", a_user=5, an_item=2)
    lengths = Counter((query, len(rows)) for (query, _), rows in listed(home).items())
    assert set(lengths) == {("user", 5), ("item", 2)}


def second_version(settings: Settings) -> int:
    """Another teacher of the same night, of the walk alone, registered beside the champion."""
    versions = Versions.of(settings)
    view = view_of(settings, NIGHT - 2)
    model = fitted(view, FilterSettings(smooth=0, ridge=0, trend=0))
    bundle = model.write(settings.root / "other", Model.GNN, {"trained_until": day(NIGHT)}, {})
    with versions.registry.run(Model.GNN, day(NIGHT)) as run:
        return versions.register(run, bundle, model.example()).number


def test_moving_the_alias_changes_what_the_next_night_lists(home):
    """A person moves `champion` in MLflow: the next night lists by that version, and notes who moved it; so does this
    night when it is run again, as the version has not seen its future."""
    other = second_version(home)
    run_night(home, NIGHT, "candidates")
    assert {query: ids(rows) for query, rows in listed(home).items()} == by_hand(home, NIGHT, 1)
    Versions.of(home).registry.client.set_registered_model_alias(Model.GNN, "champion", str(other))
    assert run_night(home, NEXT, "candidates")["candidates"]["gnn_version"] == other == 2
    after = {query: ids(rows) for query, rows in listed(home, NEXT).items()}
    assert after == by_hand(home, NEXT, 2) != by_hand(home, NEXT, 1)
    (row,) = Lake.of(home).table(CHAMPIONS).read(Window(day(NEXT), day(NEXT))).to_pylist()
    assert (row["version"], row["because"]) == (2, "moved by hand")
    run_night(home, NIGHT, "candidates")
    assert {query: ids(rows) for query, rows in listed(home).items()} == by_hand(home, NIGHT, 2)


def test_a_night_is_never_listed_by_what_has_seen_later_days(home):
    """The night before the first champion was trained has none."""
    run_night(home, NIGHT - 1, "ids", "candidates")
    assert listed(home, NIGHT - 1) == {}


def assert_stops(settings: Settings, error: type[DaybreakError], match: str, night: int = NIGHT) -> None:
    """The step ends with one sentence, and every table is at the version that it was."""
    lake = Lake.of(settings)
    before = [lake.table(dataset).version() for dataset in TABLES]
    with pytest.raises(error, match=match) as caught:
        run_night(settings, night, "candidates")
    assert "\n" not in str(caught.value)
    assert [lake.table(dataset).version() for dataset in TABLES] == before


def test_a_champion_that_cannot_be_loaded_stops_the_night(home):
    """Nothing of the night is written, also of the models that could have listed."""
    run_night(home, NIGHT, "candidates")
    versions = Versions.of(home)
    move(versions, registered(versions, day(NIGHT), Model.GNN))
    assert_stops(home, ModelError, "version 2 of model gnn cannot be used")


def test_an_mlflow_that_does_not_answer_stops_the_night(home, without_plugins):
    """One sentence says so, and the tables stay as they were."""
    run_night(home, NIGHT, "candidates")
    down = home.model_copy(update={"mlflow_url": "http://127.0.0.1:1"})
    assert_stops(down, RegistryUnreachable, "MLflow at http://127.0.0.1:1 does not answer")


def test_a_night_without_numbers_or_wants_is_refused(home):
    """One that was never landed has neither."""
    assert_stops(home, InputError, f"training/id_rows has no day {day(NEXT + 1)}", night=NEXT + 1)
