"""People are learned from ties as they stand, judged by ties that are new, and listed without those kept apart."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from daybreak.clock import parse_day
from daybreak.datasets import EDGES, USERS
from daybreak.errors import InputError
from daybreak.features.partials import PAIR_DAYS, USER_DAYS
from daybreak.lake import Lake, Window
from daybreak.learning import CHAMPIONS, ENTITIES, ID_ROWS, PEOPLE_CANDIDATES, Model
from daybreak.settings import Settings
from tests.lake import io_of, land, put_days
from tests.tiny import Row, day
from tests.training.homes import run_night
from training.data.histories import Histories
from training.data.ids import IdMap
from training.data.ties import Ties, ties_of
from training.data.wants import number_of
from training.models.pagerank import STEPS, RecentPageRank
from training.registry.versions import Versions

NIGHT = 11
GROUPS, SIZE = 3, 30
EVERYBODY = [f"u{group}-{number}" for group, number in product(range(GROUPS), range(SIZE))]


def edge(src: str, dst: str, night: int, kind: str = "friend", status: str = "active") -> Row:
    updated = f"{day(night)}T12:00:00Z"
    return {"src_user_id": src, "dst_user_id": dst, "edge_type": kind, "updated_ts": updated, "status": status}


def ring(group: int, number: int, step: int) -> tuple[str, str]:
    """A user, and who stands so many places further in the ring of the group."""
    return f"u{group}-{number}", f"u{group}-{(number + step) % SIZE}"


def put_edges(lake: Lake, edges: dict[int, list[Row]]) -> None:
    put_days(lake, EDGES, {day(night): rows for night, rows in edges.items()})


def put_users(lake: Lake) -> None:
    """Everybody, known from the first night on."""
    rows = [
        {"entity": entity, "number": number, "entity_id": name}
        for entity in ENTITIES
        for number, name in enumerate(EVERYBODY)
    ]
    put_days(lake, ID_ROWS, {day(0): rows, day(NIGHT): []})


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path, steps={"training.people": {"trials": 2}})


@pytest.fixture
def lake(settings: Settings) -> Lake:
    lake = Lake.of(settings)
    put_users(lake)
    return lake


def told(lake: Lake, settings: Settings, night: int = NIGHT) -> Ties:
    return ties_of(io_of("training.people", settings, day(night)), IdMap(EVERYBODY))


def pairs(ties: Ties, of: str, night: int = NIGHT) -> set[tuple[str, str]]:
    wants = getattr(ties.known_by(number_of(day(night))), of)
    return {(EVERYBODY[user], EVERYBODY[item]) for user, item in zip(wants.users, wants.items, strict=True)}


def test_a_friendship_is_made_by_both_and_a_follow_by_who_follows(lake, settings):
    """Whoever made it, both have to do with one another; what ends, what is unknown and oneself give nothing."""
    a, b, c, d = EVERYBODY[:4]
    put_edges(
        lake,
        {
            0: [edge(a, b, 0), edge(c, d, 0, "follow"), edge(a, d, 0), edge(a, a, 0), edge(a, "stranger", 0)],
            1: [edge(a, d, 1, status="deactivated")],
        },
    )
    found = told(lake, settings)
    assert pairs(found, "made") == {(a, b), (b, a), (c, d)}
    assert pairs(found, "between") == {(a, b), (b, a), (c, d), (d, c)}


def test_whoever_blocks_is_kept_apart_both_ways(lake, settings):
    """Of such a pair no tie is told, from whichever side the block came; once it is lifted it is again."""
    a, b, c = EVERYBODY[:3]
    put_edges(lake, {0: [edge(a, b, 0), edge(a, c, 0)], 1: [edge(b, a, 1, "block")], 2: []})
    found = told(lake, settings)
    assert pairs(found, "between") == {(a, c), (c, a)}
    assert found.blocked.tolist() == [0 * len(EVERYBODY) + 1, 1 * len(EVERYBODY) + 0]
    put_edges(lake, {2: [edge(b, a, 2, "block", "deactivated")]})
    assert (a, b) in pairs(told(lake, settings), "between")


def test_a_tie_that_came_late_is_unknown_before(lake, settings):
    """It is known from the night that delivered it, and dates from when it was made, also where it is told again."""
    a, b = EVERYBODY[:2]
    put_edges(lake, {2: [edge(a, b, 0)], 5: [edge(a, b, 5)]})
    found = told(lake, settings)
    assert pairs(found, "between", 1) == set()
    assert pairs(found, "between", 2) == {(a, b), (b, a)}
    assert found.made.moments.tolist() == [parse_day(day(0)).toordinal() + 0.5] * 2


def test_without_any_tie_one_sentence_says_so(lake, settings):
    """It names the table and the ways out."""
    put_edges(lake, {0: [edge("stranger", "nobody", 0)]})
    with pytest.raises(InputError, match=r"raw/edges tells of no tie between known users .*land edges, or leave"):
        told(lake, settings)


def test_pagerank_is_that_of_a_plain_loop():
    """Steps over ties by how recent they are, with a part that starts anew, as matrices of numpy say it."""
    draw = np.random.default_rng(0)
    there, ages = draw.random((9, 9)) < 0.4, draw.integers(0, 30, (9, 9)).astype(np.float32)
    ages_told = [ages[user, np.flatnonzero(there[user])] for user in range(9)]
    histories = Histories(
        np.r_[0, np.cumsum(there.sum(axis=1))], np.nonzero(there)[1], np.ones(there.sum(), np.float32),
        np.concatenate(ages_told), 9,
    )  # fmt: skip
    weights = np.where(there, 0.5 ** (ages / 7.0), 0.0)
    onwards = weights / np.maximum(weights.sum(axis=1, keepdims=True), 1e-12)
    expected = np.eye(9)
    for _ in range(STEPS):
        expected = 0.3 * np.eye(9) + 0.7 * expected @ onwards
    np.testing.assert_allclose(RecentPageRank(histories).for_users(np.arange(9)), expected, rtol=1e-4, atol=1e-6)


@pytest.fixture
def neighbours(lake, settings, versions) -> Settings:
    """Everybody befriends, night after night, the next further one of the own ring; the last nights judge. One user is
    gone, and one is blocked by the neighbour that would be next."""
    land(lake, *(day(night) for night in range(NIGHT + 1)))
    nights = {
        night: [edge(*ring(group, number, night + 1), night) for group in range(GROUPS) for number in range(SIZE)]
        for night in range(NIGHT + 1)
    }
    nights[NIGHT].append(edge("u0-1", "u0-14", NIGHT, "block"))
    put_edges(lake, nights)
    gone = {"user_id": "u1-5", "updated_ts": f"{day(3)}T00:00:00Z", "status": "deactivated"}
    put_days(lake, USERS, {day(3): [{**dict.fromkeys(column.name for column in USERS.columns), **gone}]})
    put_days(lake, PAIR_DAYS, {day(NIGHT): []})
    put_days(lake, USER_DAYS, {day(NIGHT): []})
    return settings


def rows(settings: Settings) -> pa.Table:
    return Lake.of(settings).table(PEOPLE_CANDIDATES).read(Window(day(NIGHT), day(NIGHT)))


def test_people_are_learned_promoted_and_listed(neighbours):
    """Judged beside PageRank, the champion lists for everybody there is: strangers of the own ring, best first; nobody
    tied already, nobody gone, nobody blocked either way, not oneself. Again, the same model and the same lists."""
    summary = run_night(neighbours, NIGHT, "due", "people", "candidates")
    assert summary["people"]["promoted"], summary["people"]["why"]
    assert summary["people"]["ndcg_at_20"] > summary["people"]["baseline/ndcg_at_20"]
    listed = rows(neighbours)
    tied = pairs(told(Lake.of(neighbours), neighbours), "between")
    found = list(zip(listed["user_id"].to_pylist(), listed["candidate_id"].to_pylist(), strict=True))
    assert {user for user, _ in found} == set(EVERYBODY) - {"u1-5"}
    assert not set(found) & (tied | {(user, user) for user in EVERYBODY})
    assert {"u1-5"}.isdisjoint(other for _, other in found)
    assert not {("u0-1", "u0-14"), ("u0-14", "u0-1")} & set(found)
    assert all(user.partition("-")[0] == other.partition("-")[0] for user, other in found)
    by_user = listed.sort_by([("user_id", "ascending"), ("rank", "ascending")])
    falls = np.diff(by_user["score"].to_numpy()) <= 0
    assert falls[pc.greater(by_user["rank"], 0).to_numpy()[1:]].all()
    champion = Lake.of(neighbours).table(CHAMPIONS).read(Window(day(NIGHT), day(NIGHT))).to_pylist()
    assert [(row["model"], row["version"]) for row in champion] == [(Model.PEOPLE, 1)]
    run_night(neighbours, NIGHT, "people", "candidates")
    assert len(Versions.of(neighbours).list(Model.PEOPLE)) == 1
    assert rows(neighbours).equals(listed)


def test_days_without_a_new_tie_judge_nobody(lake, settings, versions):
    """One sentence tells which days, and the ways out."""
    strangers = {night: [edge("stranger", "nobody", night)] for night in range(1, NIGHT + 1)}
    put_edges(lake, {0: [edge(*ring(0, number, 1), 0) for number in range(SIZE)], **strangers})
    with pytest.raises(InputError, match=rf"made another from {day(9)} to {day(NIGHT)}, so these days cannot judge"):
        run_night(settings, NIGHT, "due", "people")
