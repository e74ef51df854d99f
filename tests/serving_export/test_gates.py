"""Each gate lets a good night pass and stops the night it is there for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from daybreak.datasets import GATES, LISTS, USERS
from daybreak.errors import GateError
from daybreak.lake import Window
from daybreak.lake.schemas import full_schema
from daybreak.runner import run_steps
from daybreak.steps import step_named
from daybreak.surfaces import load_surfaces
from serving_export.facts import gather
from serving_export.gates import judge
from tests.lake import io_of, put
from tests.serving_export.nights import NIGHT, put_tiny_night
from tests.tiny import Row, TinyWorld, day

WORLD = TinyWorld()
USER, OTHER = WORLD.user(1, 1), WORLD.user(2, 2)
Change = Callable[[list[Row]], list[Row]]


def mine(rows: list[Row], query: str, surface: str = "for_you") -> list[Row]:
    return [row for row in rows if (row["surface"], row["query_id"]) == (surface, query)]


def without(rows: list[Row], dropped: list[Row]) -> list[Row]:
    return [row for row in rows if row not in dropped]


def changed(rows: list[Row], query: str, at: int, surface: str = "for_you", **values) -> list[Row]:
    """The rows with other values in one place of one list."""
    place = (surface, query, at)
    return [{**row, **values} if (row["surface"], row["query_id"], row["rank"]) == place else row for row in rows]


def candidate(rows: list[Row], query: str, rank: int) -> str:
    return mine(rows, query)[rank]["candidate_id"]


CORRUPTIONS: dict[str, tuple[str, Change]] = {
    "too short": ("for_you coverage", lambda rows: without(rows, mine(rows, USER)[5:])),
    "lost": ("for_you empty", lambda rows: without(rows, mine(rows, USER))),
    "no fallback": ("for_you fallback length", lambda rows: without(rows, mine(rows, "")[3:])),
    "too long": (
        "similar_items longest list",
        lambda rows: [*rows, {**mine(rows, "i0-0", "similar_items")[-1], "rank": 30, "candidate_id": "i0-0"}],
    ),
    "twice": ("for_you duplicates", lambda rows: changed(rows, USER, 1, candidate_id=candidate(rows, USER, 0))),
    "twice in fallback": ("for_you duplicates", lambda rows: changed(rows, "", 1, candidate_id=candidate(rows, "", 0))),
    "gap in ranks": ("for_you order", lambda rows: changed(rows, USER, 3, rank=40)),
    "rising score": ("for_you order", lambda rows: changed(rows, USER, 3, score=9.0)),
    "score that is none": ("for_you order", lambda rows: changed(rows, USER, 0, score=float("nan"))),
    "stranger": ("for_you unknown queries", lambda rows: [*rows, {**mine(rows, USER)[0], "query_id": "nobody"}]),
    "phantom": ("for_you unknown items", lambda rows: changed(rows, USER, 0, candidate_id="phantom")),
    "itself": (
        "similar_items own item",
        lambda rows: changed(rows, "i1-1", 0, surface="similar_items", candidate_id="i1-1"),
    ),
    "owned": ("for_you already owned", lambda rows: changed(rows, USER, 0, candidate_id=WORLD.item(1, 5))),
    "unknown is inactive": ("for_you inactive items", lambda rows: changed(rows, "", 0, candidate_id="phantom")),
}


@pytest.fixture
def night(settings, lake) -> list[Row]:
    """A good night's lists."""
    put_tiny_night(lake)
    run_steps([step_named("serving_export.lists")], NIGHT, settings)
    return lake.table(LISTS).read(Window(NIGHT, NIGHT)).to_pylist()


def judge_night(settings) -> None:
    run_steps([step_named("serving_export.gates")], NIGHT, settings)


def verdicts(lake) -> dict[str, bool]:
    rows = lake.table(GATES).read(Window(NIGHT, NIGHT)).to_pylist()
    return {f"{row['surface']} {row['gate']}": row["passed"] for row in rows}


def test_every_gate_lets_a_good_night_pass(settings, lake, night):
    """All gates of both surfaces hold, and each has a corruption below that it is to stop."""
    judge_night(settings)
    found = verdicts(lake)
    assert all(found.values())
    assert {name.split(" ", 1)[1] for name in found} == {gate.split(" ", 1)[1] for gate, _ in CORRUPTIONS.values()}


@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_each_gate_stops_the_night_it_is_there_for(settings, lake, night, corruption):
    """The corrupted lists fail their gate by name, the verdict is written, and nothing is published."""
    gate, corrupt = CORRUPTIONS[corruption]
    put(lake, LISTS, NIGHT, corrupt(night))
    with pytest.raises(GateError, match=f"{gate} is .* and must be .*stays live") as caught:
        judge_night(settings)
    assert "\n" not in str(caught.value)
    assert caught.value.summary["failed"] >= 1
    assert verdicts(lake)[gate] is False
    with pytest.raises(GateError, match="failed their gates"):
        run_steps([step_named("serving_export.publish")], NIGHT, settings)
    assert not (Path(settings.releases) / "lists").exists()


def test_what_was_retired_after_the_lists_were_made_is_refused(settings, lake, night):
    """The gates read users and items anew: a list for a user deactivated since is one that must not be there."""
    put(lake, USERS, day(3), [{"user_id": USER, "updated_ts": f"{day(3)}T01:00:00Z", "status": "deactivated"}])
    with pytest.raises(GateError, match=f"unknown queries is .*{USER}"):
        judge_night(settings)


def test_every_repeat_in_a_list_is_counted(settings, night):
    """A candidate that stands in one list three times is three wrong rows; in another list it is none."""
    surface = load_surfaces(settings.surfaces)["for_you"]
    first = candidate(night, USER, 0)
    rows = changed(changed(night, USER, 1, candidate_id=first), USER, 2, candidate_id=first)
    lists = pa.Table.from_pylist([row for row in rows if row["surface"] == "for_you"], schema=full_schema(LISTS))
    found = {v.gate: v for v in judge(surface, lists, gather(io_of("serving_export.gates", settings, NIGHT)))}
    assert found["duplicates"].value == 3
    assert found["duplicates"].detail == ", ".join([f"{USER} → {first}"] * 3)


def test_bounds_are_those_of_the_surface(settings, night):
    """The share that may be missing is exactly the one declared."""
    surface = load_surfaces(settings.surfaces)["for_you"]
    facts = gather(io_of("serving_export.gates", settings, NIGHT))
    rows = [row for row in without(night, mine(night, USER)) if row["surface"] == "for_you"]
    lists = pa.Table.from_pylist(rows, schema=full_schema(LISTS))
    missing = 1 / len(facts.active_users)
    for max_empty, holds in ((missing, True), (missing - 1e-9, False)):
        gates = surface.gates.model_copy(update={"max_empty": max_empty})
        found = {v.gate: v.passed for v in judge(surface.model_copy(update={"gates": gates}), lists, facts)}
        assert found["empty"] is holds
