"""People are ordered by what is measured of the two, weighed as it was learned; what is not told counts for nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from daybreak.candidates import LIVELY_PEOPLE, PEOPLE_PAIRS
from daybreak.datasets import LISTS, USERS
from daybreak.errors import InputError, SettingsError
from daybreak.lake import Lake, Window
from daybreak.learning import ID_ROWS, PEOPLE_CANDIDATES, TIE_ORDER, USER
from daybreak.ranking.ties import measured
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from daybreak.surfaces import load_surfaces
from serving_export.arrays import Ints
from serving_export.explaining import explain
from serving_export.merge import Merged
from serving_export.night import Range
from serving_export.ranking.ties import TieScorer
from tests.lake import put
from tests.serving_export.homes import home_in, io_of, opened_night
from tests.serving_export.nights import NIGHT, put_tiny_night, tie_order
from tests.tiny import Row, day
from training.data.ids import id_map
from training.data.tie_lessons import lesson_of
from training.evaluation.ranking import Sets

PEOPLE = """
people:
  query: user
  candidate: user
  length: 3
  sources: {pagerank: {}, lively: {}}
  rank: {by: ties, fusion: FUSION}
  gates: {min_length: 1}
"""
NOTHING = {"common": 0, **dict.fromkeys(("adamic_adar", "allocation", "walk", "pagerank", "follow_pmi"), 0.0)}
EVERYBODY = ASKING, FRIENDLY, CLASSMATE, LIVELY, UNKNOWN = "u0-0", "u0-1", "u0-2", "u0-3", "u0-4"
FIRST = {"updated_ts": f"{day(0)}T00:00:00Z", "status": "active"}


def pair(other: str, **told: object) -> Row:
    return {**NOTHING, "user_id": ASKING, "candidate_id": other, "follows": False, "contact": False, **told}


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    """One user to whom four others may be shown, each for a reason of its own."""
    settings = home_in(tmp_path, PEOPLE.replace("FUSION", "0"))
    lake = Lake.of(settings)
    put_tiny_night(lake)
    schools = [{**FIRST, "user_id": user, "school": "east"} for user in (ASKING, CLASSMATE)]
    others = [{**FIRST, "user_id": user} for user in (FRIENDLY, LIVELY, UNKNOWN)]
    put(lake, USERS, day(0), [*schools, *others])
    near = [pair(FRIENDLY, common=2, pagerank=0.1), pair(CLASSMATE, pagerank=0.001), pair(UNKNOWN, pagerank=0.001)]
    put(lake, PEOPLE_PAIRS, NIGHT, near)
    counts = {"ties": 3.0, "lately": 2.0, "these_days": 1.0, "just_now": 0.5}
    put(lake, LIVELY_PEOPLE, NIGHT, [{"user_id": LIVELY, **counts}])
    put(
        lake,
        PEOPLE_CANDIDATES,
        NIGHT,
        [{"user_id": ASKING, "rank": 0, "candidate_id": UNKNOWN, "score": 1.0, "version": 1}],
    )
    return settings


def listed(settings: Settings, **weights: float) -> list[str]:
    lake = Lake.of(settings)
    put(lake, TIE_ORDER, NIGHT, tie_order(**weights))
    run_steps([step_named("serving_export.lists")], NIGHT, settings)
    rows = lake.table(LISTS).read(Window(since=NIGHT, until=NIGHT)).to_pylist()
    mine = [row for row in rows if row["query_id"] == ASKING and row["audience"] == "query"]
    return [row["candidate_id"] for row in sorted(mine, key=lambda row: row["rank"])]


@pytest.mark.parametrize(
    ("measure", "first"),
    [("common", FRIENDLY), ("school", CLASSMATE), ("these_days", LIVELY), ("listed", UNKNOWN), ("pagerank", FRIENDLY)],
)
def test_what_weighs_most_decides_who_is_first(settings: Settings, measure: str, first: str) -> None:
    assert listed(settings, **{measure: 5.0})[0] == first


def test_a_measure_may_weigh_against_somebody(settings: Settings) -> None:
    assert listed(settings, common=-1.0, pagerank=0.5, school=0.1)[0] == CLASSMATE


def test_scores_are_chances_among_the_users_candidates(settings: Settings) -> None:
    put(Lake.of(settings), TIE_ORDER, NIGHT, tie_order(pagerank=1.0, school=1.0))
    with opened_night(settings, NIGHT) as night:
        scorer = TieScorer.of(night, Range(0, len(night.users)))
        everybody = np.arange(len(night.users))
        queries, candidates = np.repeat(everybody, len(everybody)), np.tile(everybody, len(everybody))
        found = scorer.worth(merged(queries, candidates)).reshape(len(everybody), -1)
        assert found.sum(axis=1) == pytest.approx(np.ones(len(everybody)))
        terms = scorer.weighed(queries, candidates)
        asking, friendly = night.users.number(ASKING), night.users.number(FRIENDLY)
        at = asking * len(everybody) + friendly
        assert terms["pagerank"][at] == pytest.approx(np.log1p(0.1 / 1e-5))
        assert terms["school"][at] == 0.0


def test_the_night_that_learns_measures_pairs_as_the_night_that_lists(settings: Settings) -> None:
    """Two readings of the same tables; one by SQL for all who were newly tied, one by arrays for a range of users."""
    lake = Lake.of(settings)
    put(lake, TIE_ORDER, NIGHT, tie_order())
    put(lake, LIVELY_PEOPLE, NIGHT, [
        {"user_id": user, "ties": 3.0, "lately": 2.0, "these_days": at + 0.25, "just_now": 0.5}
        for at, user in enumerate((ASKING, LIVELY, UNKNOWN))
    ])  # fmt: skip
    numbers = [{"entity": "user", "number": at, "entity_id": user} for at, user in enumerate(EVERYBODY)]
    put(lake, ID_ROWS, NIGHT, numbers)
    io, everybody = io_of("training.tie_order", settings, NIGHT), np.arange(len(EVERYBODY))
    users, themselves = id_map(io, USER), Sets.of(everybody, everybody, len(everybody))
    tied = Sets.of(users.rows(pa.array([ASKING])), users.rows(pa.array([UNKNOWN])), len(everybody))
    with io.duckdb("1GB") as engine:
        lesson = lesson_of(io, engine, NIGHT, users, tied, themselves, lively=2)
    others = sorted(set(EVERYBODY) - {ASKING})
    with opened_night(settings, NIGHT) as night:
        scorer = TieScorer.of(night, Range(0, len(night.users)))
        asking = np.full(len(others), night.users.number(ASKING))
        found = scorer.measured(asking, np.array([night.users.number(other) for other in others]))
    assert np.array_equal(lesson.measures, measured(found))
    assert np.count_nonzero(lesson.measures) > 2 * len(others)


def merged(queries: Ints, candidates: Ints) -> Merged:
    nothing = np.zeros(len(queries), np.int64)
    return Merged(queries, candidates, np.ones(len(queries)), nothing, nothing)


def test_a_list_says_what_each_measure_added(settings: Settings) -> None:
    listed(settings, common=1.0, school=2.0)
    told = explain(settings, "people", ASKING, NIGHT)
    entries = {entry["candidate"]: entry for entry in told["entries"]}
    assert told["same_as_written"]
    assert entries[FRIENDLY]["measures"]["common"] == 2.0
    assert entries[FRIENDLY]["weighed"]["common"] == pytest.approx(np.log1p(20.0))
    assert entries[CLASSMATE]["weighed"] == {**dict.fromkeys(entries[CLASSMATE]["weighed"], 0.0), "school": 2.0}


def test_merged_ranks_count_beside_it_where_the_shelf_says_so(settings: Settings, tmp_path: Path) -> None:
    assert listed(settings, school=0.1)[0] == CLASSMATE
    settings.surfaces.write_text(PEOPLE.replace("FUSION", "30"))
    assert listed(settings, school=0.1)[0] == FRIENDLY


def test_a_night_that_learned_no_order_says_which_step_to_run(settings: Settings) -> None:
    with pytest.raises(InputError, match=r"training/tie_order has no day .*training.tie_order"):
        run_steps([step_named("serving_export.lists")], NIGHT, settings)


def test_only_people_for_users_are_ranked_by_ties(tmp_path: Path) -> None:
    file = tmp_path / "surfaces.yaml"
    file.write_text("for_you: {query: user, sources: {popular: {}}, rank: {by: ties}}")
    with pytest.raises(SettingsError, match=r"rank\.by ties orders people for users"):
        load_surfaces(file)
