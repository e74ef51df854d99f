"""`daybreak index`, as somebody at a terminal has it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daybreak.lake import Lake
from daybreak.learning import TOWER_CANDIDATES
from daybreak.settings import Settings
from indexing.spaces import Space
from tests.daybreak.command_line import Command, command_line
from tests.indexing.vectors import home_in, index_night, list_candidates, live, put_night, store_of, world
from tests.tiny import day


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Two nights, of which the second is live."""
    settings = home_in(tmp_path / "home")
    for night in (1, 2):
        index_night(settings, night, world(night))
    monkeypatch.setenv("DAYBREAK_HOME", str(settings.home))
    monkeypatch.chdir(tmp_path)
    return settings


@pytest.fixture
def daybreak(home: Settings, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Command:
    return command_line(monkeypatch, capsys)


def test_it_lists_what_there_is(home, daybreak):
    """Every release, which one is live, of which version, how fresh; also one that is damaged, with the reason."""
    rows = daybreak("index", "list", "--json").json
    newest, older = rows
    assert (newest["live"], older["live"]) == (True, False)
    assert (newest["ds"], newest["version"], newest["items"], newest["users"]) == (day(2), 1, 297, 118)
    assert newest["fresh_until"] == f"{day(3)}T00:00:00+00:00"
    (store_of(home).folder / older["release"] / "index.json").write_bytes(b"{}")
    damaged = daybreak("index", "list")
    assert damaged.code == 0
    assert "damaged" in damaged.out
    assert "index.json cannot be read" in damaged.out.replace("\n", " ")


def test_it_shows_what_lies_in_a_release(home, daybreak):
    """Spaces with their index and effort, and what came since the night."""
    told = daybreak("index", "show", "--json").json
    assert told["release"] == store_of(home).current_id()
    assert told["spaces"]["for_users"] == {"index": "exact", "effort": {"probes": 1, "breadth": 1, "again": 1}}
    assert told["since_the_night"] == {"items": 0, "gone": 0}
    assert "effective rank" in daybreak("index", "show").out


@pytest.mark.parametrize(("command", "asked"), [("search", "u0001"), ("similar", "i0001")])
def test_it_searches(home, daybreak, command, asked):
    """The ids and scores that the index gives, exactly or not, of the live release or of another one."""
    space = {"search": "for_users", "similar": "for_items"}[command]
    expected = live(home).ask(Space(space), asked, 4)
    answer = daybreak("index", command, asked, "--k", "4", "--json").json
    assert [(each["id"], each["score"]) for each in answer["found"]] == list(
        zip(expected.ids, expected.scores, strict=True)
    )
    assert daybreak("index", command, asked, "--k", "4", "--exact", "--json").json["found"] == answer["found"]
    older = store_of(home).ids()[-1]
    assert daybreak("index", command, asked, "--release", older, "--json").json["release"] == older
    assert all(each in daybreak("index", command, asked, "--k", "4").out for each in expected.ids)


def test_it_shows_a_vector(home, daybreak):
    """All of it, and how it stands among the others."""
    answer = daybreak("index", "vector", "item", "i0001", "--json").json
    assert answer["vector"] == [float(each) for each in live(home).vector("item", "i0001")]
    assert answer["bias"] == answer["vector"][-1]
    assert 0 <= answer["longer_than"] <= 1
    assert "17 places" in daybreak("index", "vector", "user", "u0001").out


def test_whoever_is_unknown_is_told_so(daybreak):
    """In one sentence."""
    assert "has no vector of item i0007" in daybreak("index", "similar", "i0007").sentence
    assert "has no vector of user nobody" in daybreak("index", "search", "nobody").sentence
    assert "found none" in daybreak("index", "show", "1999").sentence


def test_it_compares_two_releases(home, daybreak):
    """Items that only one has, how far vectors moved, and how many neighbours are shared."""
    newest, older = store_of(home).ids()
    told = daybreak("index", "compare", older, "--json").json
    assert (told["first"], told["second"], told["same_model"]) == (older, newest, True)
    assert (told["only_in_first"], told["only_in_second"]) == (0, 0)
    assert 0 < told["drift"] < 0.2
    assert 0.5 < told["first_ten_shared"] <= 1
    same = daybreak("index", "compare", newest, newest, "--json").json
    assert (same["drift"], same["first_ten_shared"]) == (0, 1)


def test_it_builds_a_night(home, daybreak):
    """All shards, one after another, and the release."""
    put_night(home, 3, world(3))
    shard, publish = daybreak("index", "build", "--ds", day(3), "--json").json
    assert shard == {"for_users": "exact", "for_items": "exact"}
    assert publish["published"]
    assert live(home).contents.ds == day(3)


def test_it_rolls_back_and_lets_go(home, daybreak):
    """At once, pinned until `unpin`."""
    newest, older = store_of(home).ids()
    assert daybreak("index", "rollback", "--reason", "odd", "--json").json == {"release": older, "pinned": True}
    assert store_of(home).current_id() == older
    assert daybreak("index", "unpin", "--reason", "mended", "--json").json == {"release": older, "pinned": False}
    daybreak("index", "rollback", "--to", newest, "--reason", "it was fine", "--no-pin")
    assert (store_of(home).current_id(), store_of(home).pointer().pinned) == (newest, False)


@pytest.mark.slow
def test_it_measures_every_kind_and_names_the_fastest(home, daybreak, tmp_path):
    """Curves of recall and speed by the clock, a picture of them, and a specification to be put into the settings."""
    picture = tmp_path / "recall.png"
    told = daybreak("index", "choose", "--plot", str(picture), "--json").json
    kinds = {each["index"].partition(":")[0] for each in told["measured"]}
    assert {"exact", "ivf_flat", "ivf_sq8", "hnsw"} <= kinds
    for each in told["measured"]:
        assert 0 <= each["recall"] <= 1
        assert each["queries_per_second"] > 0
    assert any(each["index"] == told["chosen"] and each["recall"] >= 0.95 for each in told["measured"])
    assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
@pytest.mark.parametrize("ship", [False, True])
def test_sparks_workers_list_what_one_process_lists(home, spark, ship):
    """To the byte, whether they map the release where it lies or are sent it."""
    here = list_candidates(home, 2, block=40)
    digest = Lake.of(home).table(TOWER_CANDIDATES).digest(day(2))
    there = list_candidates(home, 2, block=40, engine="spark", ship=ship)
    assert len(there) == len(here)
    assert Lake.of(home).table(TOWER_CANDIDATES).digest(day(2)) == digest
