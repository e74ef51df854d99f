"""How many ties people have and how new these are, against plain loops; who left or is kept apart counts for nobody."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import settings as trials

from daybreak.candidates import LIVELY_PEOPLE
from daybreak.datasets import EDGES, USERS
from daybreak.lake import Lake, Window
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from jobs.people_pairs import lively_people
from jobs.tie_arrays import ties_known
from tests.jobs.test_people_pairs import NOW, Oracle, Tie, edges_of, graphs, user_row
from tests.lake import put_days
from tests.tiny import Row, day

SHARES = {"lately": 0.3, "these_days": 0.08, "just_now": 0.02}


def told(ties: list[Tie], gone: set[str]) -> dict[str, Row]:

    known = ties_known(edges_of(ties), pa.array(sorted(gone), pa.string()))
    return {row.pop("user_id"): row for row in lively_people(known).to_pylist()}


def expected(ties: list[Tie], gone: set[str]) -> dict[str, Row]:
    oracle = Oracle(ties, gone)
    hours: dict[tuple[str, str], int] = {}
    for told_of in (oracle.friends, oracle.follows, oracle.followers):
        for user, others in told_of.items():
            for other, hour in others.items():
                hours[user, other] = min(hour, hours.get((user, other), hour))
    found: dict[str, Row] = defaultdict(lambda: dict.fromkeys(["ties", *SHARES], 0.0))
    for (user, _), hour in hours.items():
        since = sum(other > hour for other in hours.values()) / len(hours)
        found[user]["ties"] += 1
        for name, share in SHARES.items():
            found[user][name] += 0.5 ** (since / share)
    return {user: found[user] for user in oracle.users}


@given(graphs())
@trials(deadline=None, max_examples=60)
def test_ties_are_counted_once_and_fade_by_the_share_of_ties_that_came_since(graph: tuple[list[Tie], set[str]]) -> None:
    ties, gone = graph
    found, wanted = told(ties, gone), expected(ties, gone)
    assert found.keys() == wanted.keys()
    for user, row in wanted.items():
        assert found[user] == pytest.approx(row, abs=2e-9)


def test_an_uploaded_contact_makes_nobody_livelier() -> None:
    ties = [Tie("a", "b", "friend"), Tie("b", "c", "follow")]
    plain = told(ties, set())
    assert told([*ties, Tie("c", "a", "contact")], set()) == plain


def test_the_job_writes_them_beside_the_pairs(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path)
    lake = Lake.of(settings)
    put_days(lake, USERS, {day(0): [user_row(user, "active") for user in "abc"]})
    put_days(lake, EDGES, {day(0): [Tie("a", "b", "friend").row, Tie("b", "c", "friend", hour=20).row], NOW: []})
    run_steps([step_named("jobs.people_pairs")], NOW, settings)
    rows = lake.table(LIVELY_PEOPLE).read(Window(since=NOW, until=NOW), ["user_id", "ties", "just_now"]).to_pylist()
    found = {row["user_id"]: (row["ties"], row["just_now"]) for row in rows}
    assert found == {"a": (1.0, 3e-8), "b": (2.0, 1 + 3e-8), "c": (1.0, 1.0)}
