"""Places in the social graph: which ties a night knows, and that nights agree however they are run."""

from __future__ import annotations

from random import Random

import pytest
from pyspark.sql import SparkSession

from daybreak.datasets import EDGES
from daybreak.features.described import USER_GRAPH
from daybreak.lake import Lake, Window
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from jobs import user_graph
from tests.jobs.interruptions import ended_at_commit
from tests.lake import land, put
from tests.tiny import Row, day

STEP = step_named("jobs.user_graph")
TABLE = USER_GRAPH.dataset
NIGHTS = range(4)
pytestmark = [pytest.mark.usefixtures("spark"), pytest.mark.slow]


def tie(src: str, dst: str, kind: str, number: int, *, ended: bool = False, hour: int = 12) -> Row:
    return {
        "src_user_id": src,
        "dst_user_id": dst,
        "edge_type": kind,
        "updated_ts": f"{day(number)}T{hour:02d}:00:00+00:00",
        "status": "deactivated" if ended else "active",
    }


def land_ties(lake: Lake, number: int, ties: list[Row]) -> None:
    """A night's ties, and the account that says the night was landed."""
    put(lake, EDGES, day(number), ties)
    land(lake, day(number))


def build(settings: Settings, number: int, **overrides) -> dict:
    return run_steps([STEP], day(number), settings, overrides=overrides)[0].summary


def rows_of(settings: Settings, number: int) -> dict[str, Row]:
    rows = Lake.of(settings).table(TABLE).read(Window(day(number), day(number))).to_pylist()
    return {row["user_id"]: row for row in rows}


def counts_of(settings: Settings, number: int) -> dict[str, tuple[int, int, int]]:
    """Friends, following and followers of each user."""
    rows = rows_of(settings, number)
    return {user: (row["friends"], row["following"], row["followers"]) for user, row in rows.items()}


def digests(settings: Settings) -> list[str]:
    return [Lake.of(settings).table(TABLE).digest(day(number)) for number in NIGHTS]


def random_ties(random: Random, number: int) -> list[Row]:
    """New and ended ties among a few users, some of them told late; none on the third night."""
    rows = {}
    for _ in range(0 if number == 2 else 25):
        src, dst, kind = f"u{random.randint(0, 9)}", f"u{random.randint(0, 9)}", random.choice(["friend", "follow"])
        began = max(0, number - random.choice([0, 0, 1, 2]))
        rows[src, dst, kind] = tie(src, dst, kind, began, ended=random.random() < 0.3, hour=random.randint(0, 23))
    return list(rows.values())


def land_nights(settings: Settings) -> None:
    random = Random(5)
    for number in NIGHTS:
        land_ties(Lake.of(settings), number, random_ties(random, number))


@pytest.fixture(scope="module")
def night_by_night(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> Settings:
    """Each night built on its own."""
    settings = Settings(home=tmp_path_factory.mktemp("ties"), feature_history_days=0)
    land_nights(settings)
    for number in NIGHTS:
        build(settings, number)
    return settings


def newest_ties(settings: Settings, number: int) -> list[tuple[str, str, str]]:
    """The ties that hold on a night, by a plain walk over the rows."""
    states: dict[tuple[str, str, str], tuple] = {}
    for row in Lake.of(settings).table(EDGES).read(Window(until=day(number))).to_pylist():
        key = (row["src_user_id"], row["dst_user_id"], row["edge_type"])
        states[key] = max(states.get(key, ()), (row["updated_ts"], row["ds"], row["status"]))
    return [key for key, state in states.items() if state[2] == "active" and key[0] != key[1]]


@pytest.mark.parametrize("number", NIGHTS)
def test_counts_are_those_of_the_ties_that_hold(night_by_night, number):
    """The newest telling of a tie decides, not the one delivered last."""
    friends, following = set(), set()
    for src, dst, kind in newest_ties(night_by_night, number):
        (friends if kind == "friend" else following).update(
            {(src, dst), (dst, src)} if kind == "friend" else {(src, dst)}
        )
    counts = counts_of(night_by_night, number)
    assert counts == {
        user: (
            sum(one == user for one, _ in friends),
            sum(one == user for one, _ in following),
            sum(other == user for _, other in following),
        )
        for user in counts
    }
    assert {user for pair in (*friends, *following) for user in pair} <= counts.keys()


def test_a_history_built_in_one_run_equals_the_nights_run_one_by_one(night_by_night, tmp_path, monkeypatch):
    """Also where ties are fetched in many slices; a night without new ties takes the measures of the one before."""
    settings = Settings(home=tmp_path)
    land_nights(settings)
    monkeypatch.setattr(user_graph, "TIES_A_SLICE", 20)
    summary = build(settings, NIGHTS[-1])
    assert (summary["nights"], summary["first_night"], summary["nights_measured"]) == (4, day(0), 3)
    assert digests(settings) == digests(night_by_night)


def test_a_run_that_ends_between_its_commits_is_made_up_for_by_the_next(night_by_night, tmp_path):
    """The first night is there, the others are not; the next run builds those, as an undisturbed one does."""
    settings = Settings(home=tmp_path)
    land_nights(settings)
    with ended_at_commit(2):
        build(settings, NIGHTS[-1])
    table = Lake.of(settings).table(TABLE)
    assert table.written([day(number) for number in NIGHTS]) == {day(0)}
    assert build(settings, NIGHTS[-1])["first_night"] == day(1)
    assert digests(settings) == digests(night_by_night)


def test_a_night_built_again_after_later_nights_is_the_same(night_by_night):
    """A second run of an early night equals the first to the last bit."""
    before = digests(night_by_night)
    build(night_by_night, 1)
    assert digests(night_by_night) == before


def test_places_that_follow_by_hand(settings, lake):
    """A friendship counts for both and once; a block, an ended tie and a tie with oneself give nothing."""
    land_ties(lake, 0, [
        tie("a", "b", "friend", 0), tie("b", "a", "friend", 0), tie("b", "c", "friend", 0), tie("c", "a", "follow", 0),
        tie("d", "a", "block", 0), tie("e", "f", "friend", 0, ended=True), tie("a", "a", "follow", 0),
    ])  # fmt: skip
    build(settings, 0)
    assert counts_of(settings, 0) == {"a": (1, 0, 1), "b": (2, 0, 0), "c": (1, 1, 0), "e": (0, 0, 0), "f": (0, 0, 0)}
    rows = rows_of(settings, 0)
    assert [rows[user]["clustering"] for user in "abcef"] == [1, 1, 1, None, None]
    assert rows["e"]["pagerank"] == rows["f"]["pagerank"] < rows["a"]["pagerank"]
    assert sum(row["pagerank"] for row in rows.values()) == pytest.approx(5)
    assert {str(row["event_ts"]) for row in rows.values()} == {f"{day(1)} 00:00:00+00:00"}
    assert {str(row["available_ts"]) for row in rows.values()} == {f"{day(1)} 06:00:00+00:00"}


def test_a_friendship_lasts_as_long_as_somebody_tells_it(settings, lake):
    """One of two tellings may end; with the last one the friendship is over, and the users have zeros."""
    land_ties(lake, 0, [tie("a", "b", "friend", 0), tie("b", "a", "friend", 0)])
    land_ties(lake, 1, [tie("a", "b", "friend", 1, ended=True)])
    land_ties(lake, 2, [tie("b", "a", "friend", 2, ended=True)])
    build(settings, 2)
    assert [counts_of(settings, number)["a"][0] for number in range(3)] == [1, 1, 0]


def test_a_tie_told_late_counts_from_the_night_that_delivered_it(settings, lake):
    """However long ago it began; and one told late does not undo what has been told since."""
    land_ties(lake, 0, [tie("a", "b", "follow", 0)])
    land_ties(lake, 1, [tie("a", "b", "follow", 1, ended=True)])
    land_ties(lake, 2, [tie("a", "c", "follow", 0), tie("a", "b", "follow", 0, hour=13)])
    build(settings, 2)
    assert [counts_of(settings, number)["a"][1] for number in range(3)] == [1, 0, 1]
    assert "c" not in counts_of(settings, 1)


def test_a_hub_has_no_clustering(settings, lake):
    """Above the bound it is null; everything else is told."""
    land_ties(lake, 0, [tie("hub", f"u{number}", "friend", 0) for number in range(4)])
    build(settings, 0, most_neighbours=3)
    assert rows_of(settings, 0)["hub"]["clustering"] is None
    build(settings, 0, most_neighbours=4)
    assert rows_of(settings, 0)["hub"]["clustering"] == 0
    assert counts_of(settings, 0)["hub"] == (4, 0, 0)


def test_a_night_without_ties_has_no_rows(settings, lake):
    """The night is built all the same, so that it is not taken for missing."""
    land_ties(lake, 0, [])
    assert build(settings, 0)["rows"] == 0
    assert lake.table(TABLE).was_written(day(0))
