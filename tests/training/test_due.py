"""What asks for training and what does not, and how good last night's lists turned out to be."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from daybreak.datasets import ITEMS
from daybreak.errors import InputError
from daybreak.features.partials import PAIR_DAYS
from daybreak.features.training import RANKER_ROWS
from daybreak.lake import Lake, Window
from daybreak.learning import DECISIONS, GNN_CANDIDATES, LISTED, QUALITY, TOWER_CANDIDATES, Model
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from tests.lake import io_of, put, put_days
from tests.tiny import Row, day, event
from tests.training.registry.toys import move, registered
from tests.training.worlds import put_counted
from training.due import Decision, DueConfig, Evidence, decide, due
from training.met import LENGTH, Met, met_by
from training.registry.catalogue import Version

TODAY = day(20)
STEP = "training.due"


def config(**values) -> DueConfig:
    return DueConfig(**{"ds": TODAY, **values})


def champion(trained_until: str = day(18), measured: float | None = 0.5, number: int = 3) -> Version:
    measures = {} if measured is None else {"ndcg_at_20": measured}
    tags = {"trained_until": trained_until, "measures": json.dumps(measures), "ds": trained_until, "digest": "d"}
    return Version(Model.GNN, number, "", tags, ("champion",))


def met(ndcg: float, version: int = 3) -> Met:
    return Met(version, np.full(50, ndcg))


def decided(evidence: Evidence, **values) -> Decision:
    return decide(config(**values), Model.GNN, evidence)


def test_a_model_without_a_champion_is_trained():
    """Whatever else is known."""
    assert decided(Evidence(None, None, None)) == Decision(Model.GNN, True, "there is no champion yet")


@pytest.mark.parametrize(("days", "train"), [(6, False), (7, True), (40, True)])
def test_an_old_champion_is_trained_anew(days, train):
    """From so many days on after the last day that it has seen."""
    found = decided(Evidence(None, champion(day(20 - days)), None))
    assert found.train is train
    assert f"the champion, version 3, is {days} days old" in found.because
    assert decided(Evidence(None, champion(day(20 - days)), None), retrain_days=days + 1).train is False


@pytest.mark.parametrize(("found", "train"), [(0.29, True), (0.31, False), (0.5, False)])
def test_fallen_quality_asks_for_training(found, train):
    """Where last night's lists met less than the share of what was judged, beyond doubt."""
    decision = decided(Evidence(None, champion(measured=0.5), met(found)), quality_share=0.6)
    assert decision.train is train
    if train:
        assert "an NDCG of 0.2900, at most 0.2900, where 0.5000 was measured" in decision.because
    else:
        assert "good enough" in decision.because


def test_doubt_does_not_ask_for_training():
    """A mean below the share is no reason while its interval reaches above."""
    unsure = Met(3, np.array([0.0, 0.0, 0.7]))
    assert unsure.interval.mean < 0.3 < unsure.interval.high
    assert not decided(Evidence(None, champion(measured=0.5), unsure)).train


def test_quality_that_another_version_showed_says_nothing_of_the_champion():
    """Last night's lists were made before the alias moved."""
    assert not decided(Evidence(None, champion(measured=0.5, number=4), met(0.0, version=3))).train
    assert decided(Evidence(None, champion(measured=0.5, number=3), met(0.0, version=3))).train


def test_a_champion_that_was_never_measured_is_left():
    """There is nothing that its lists could have fallen below."""
    assert not decided(Evidence(None, champion(measured=None), met(0.0))).train


@pytest.mark.parametrize("known", [None, champion()])
def test_who_asks_is_heard(known):
    """And the decision says what for; but nothing is trained on too little."""
    assert decided(Evidence(None, known, None), asked="a campaign") == Decision(
        Model.GNN, True, "asked for: a campaign"
    )
    waiting = decided(Evidence("there are 3 days of wants, and 7 are needed", known, None), asked="a campaign")
    assert waiting == Decision(Model.GNN, False, "waits: there are 3 days of wants, and 7 are needed")


def test_a_model_that_is_not_to_be_trained_is_not():
    """Not even where somebody asks."""
    found = decided(Evidence(None, None, None), models=["ranker"], asked="a campaign")
    assert found == Decision(Model.GNN, False, "it is not among the models that may be trained")


def run(settings: Settings, night: int, **values) -> Row:
    return run_steps([step_named(STEP)], day(night), settings, overrides=values)[0].summary


def decisions(lake: Lake, night: int) -> dict[str, Row]:
    rows = lake.table(DECISIONS).read(Window(day(night), day(night))).to_pylist()
    return {row["model"]: row for row in rows}


def put_nights(lake: Lake, nights: int, row_nights: int = 0) -> None:
    """Nights of one want each, of which the first have training rows; and no candidates."""
    put_counted(lake, {night: [event(night, day(night), "u1", f"i{night}")] for night in range(nights)})
    some = {"row_id": "r", "user_id": "u", "item_id": "i", "request_ts": f"{day(0)}T00:00:00Z", "kind": "shown"}
    labels = dict.fromkeys(("clicked", "carted", "purchased"), False)
    if row_nights:
        put_days(lake, RANKER_ROWS, {day(night): [{**some, **labels}] for night in range(row_nights)})


def test_every_model_gets_a_decision(settings, lake, versions):
    """Written down and said in the summary; what waits says for how much."""
    put_nights(lake, 7, row_nights=2)
    summary = run(settings, 6)
    found = decisions(lake, 6)
    assert set(found) == set(summary) == {model.value for model in Model}
    assert {name: row["train"] for name, row in found.items() if row["train"]} == {"gnn": True, "two_tower": True}
    assert summary["gnn"] == "train: there is no champion yet"
    assert summary["ranker"] == "leave: waits: there are 2 days of training rows, and 3 are needed"
    assert summary["people"] == "leave: waits: there are 0 days of ties, and 7 are needed"
    io = io_of("training.gnn", settings, day(6))
    assert due(io, Model.RANKER) == Decision(Model.RANKER, False, found["ranker"]["because"])


def test_a_lake_with_too_few_days_waits(settings, lake, versions):
    """A night that delivered nothing is no day of wants; a setting says how many are enough."""
    put_nights(lake, 6)
    put_days(lake, PAIR_DAYS, {day(6): []})
    assert run(settings, 6)["gnn"] == "leave: waits: there are 6 days of wants, and 7 are needed"
    assert run(settings, 6, least_days=6)["gnn"] == "train: there is no champion yet"


def test_a_night_that_nobody_decided_on_trains_nothing(settings, lake):
    """The step that trains says which step comes first."""
    with pytest.raises(InputError, match=f"training/decisions has no day {day(3)}; .*daybreak run training.due"):
        due(io_of("training.gnn", settings, day(3)), Model.GNN)


NAMES = [f"i{n:02}" for n in range(30)]
EVE, TONIGHT = 3, 4
HAD = {0: [event(f"h{u}-{i}", day(0), f"u{u}", f"i{(u + i) % 30:02}") for u in range(5) for i in range(3)]}
THEN = [
    event("t0", day(TONIGHT), "u0", "i05"),
    event("t1", day(TONIGHT), "u0", "i20"),
    event("t2", day(TONIGHT), "u1", "i09"),
    event("t3", day(TONIGHT), "u2", "i02"),
    event("t4", day(TONIGHT), "u3", "i28", "purchase"),
    event("t5", day(TONIGHT), "u5", "i01"),
]
"""u0 wants two new items, u1 and u3 one, u2 only what it had wanted before, u5 one without any history."""
LISTS = {
    "u0": ["i00", "i01", "i09", "i05", *NAMES[10:20], *NAMES[21:29], "i20"],
    "u1": ["i02", "i09"],
    "u2": ["i02", "i09"],
    "u3": ["i07"],
    "u4": ["i11"],
}


@pytest.fixture
def night_met(settings, lake) -> Settings:
    """A night after one on which two models had listed, all hand-written."""
    put_counted(lake, {**HAD, 1: [], 2: [], EVE: [], TONIGHT: THEN})
    state = {"updated_ts": f"{day(0)}T00:00:00Z", "title": "", "status": "active"}
    put(lake, ITEMS, day(0), [{"item_id": item, **state} for item in NAMES])
    run_steps([step_named("training.ids")], day(TONIGHT), settings)
    rows = [
        {"query": "user", "query_id": user, "rank": rank, "item_id": item, "score": -float(rank), "version": 2}
        for user, items in LISTS.items()
        for rank, item in enumerate(items)
    ]
    beside = {"query": "item", "query_id": "i00", "rank": 0, "item_id": "i05", "score": 1.0, "version": 2}
    put(lake, GNN_CANDIDATES, day(EVE), [*reversed(rows), beside])
    put(lake, TOWER_CANDIDATES, day(EVE), [])
    return settings


def plain_ndcg(user: str) -> float:
    """What the list of a user met, entry by entry."""
    had = {row["item_id"] for row in HAD[0] if row["user_id"] == user}
    wanted = {row["item_id"] for row in THEN if row["user_id"] == user} - had
    shown = [item for item in LISTS[user] if item not in had][:LENGTH]
    gains = [1 / math.log2(place + 2) for place, item in enumerate(shown) if item in wanted]
    return sum(gains) / sum(1 / math.log2(place + 2) for place in range(len(wanted)))


def test_lists_are_measured_by_what_users_then_newly_wanted(night_met, lake):
    """Of those who had a list and wanted something new; without what they had wanted, no deeper than 20 entries."""
    found = met_by(io_of(STEP, night_met, day(TONIGHT)), list(LISTED))
    assert found[Model.TWO_TOWER] is None
    assert found[Model.GNN].version == 2
    assert found[Model.GNN].ndcg.tolist() == pytest.approx([plain_ndcg(user) for user in ("u0", "u1", "u3")])
    assert plain_ndcg("u0") == pytest.approx(1 / math.log2(3) / (1 + 1 / math.log2(3)))
    assert plain_ndcg("u3") == 0


def test_what_was_met_is_written_down(night_met, lake, versions):
    """With its interval, for models that had listed; a night after which there are no lists has no rows."""
    run(night_met, TONIGHT)
    (row,) = lake.table(QUALITY).read(Window(day(TONIGHT), day(TONIGHT))).to_pylist()
    assert (row["model"], row["version"], row["users"]) == ("gnn", 2, 3)
    assert row["ndcg_at_20"] == pytest.approx(np.mean([plain_ndcg(user) for user in ("u0", "u1", "u3")]))
    assert row["low"] <= row["ndcg_at_20"] <= row["high"]
    run(night_met, EVE)
    assert lake.table(QUALITY).read(Window(day(EVE), day(EVE))).num_rows == 0


@pytest.mark.parametrize("events", [[], [event("again", day(TONIGHT), "u0", "i00")]])
def test_a_day_on_which_nobody_wants_anything_new_measures_nothing(night_met, lake, events):
    """No list is good or bad then."""
    put_counted(lake, {TONIGHT: events})
    assert met_by(io_of(STEP, night_met, day(TONIGHT)), list(LISTED)) == {Model.GNN: None, Model.TWO_TOWER: None}


def test_a_second_run_of_a_night_decides_the_same(night_met, lake, versions):
    """Digest by digest, decisions and measurements."""
    digests = []
    for _ in range(2):
        run(night_met, TONIGHT, least_days=3)
        digests.append([lake.table(dataset).digest(day(TONIGHT)) for dataset in (DECISIONS, QUALITY)])
    assert digests[0] == digests[1]


def test_the_champion_is_the_one_that_the_night_found(settings, lake, versions):
    """A night that is built again knows none of a later night, and none that it made itself the first time."""
    put_nights(lake, 8)
    move(versions, registered(versions, day(5), Model.GNN))
    said = [run(settings, night, least_days=3)["gnn"] for night in (4, 5, 6, 7)]
    assert said[:2] == ["train: there is no champion yet"] * 2
    assert ["version 1, is 1 days old" in said[2], "version 1, is 2 days old" in said[3]] == [True, True]


def test_rows_that_a_later_night_told_are_none_to_learn_from(settings, lake, versions):
    """A night that is built again counts the days of training rows that had been told by then."""
    put_nights(lake, 7, row_nights=6)
    assert run(settings, 4)["ranker"] == "leave: waits: there are 2 days of training rows, and 3 are needed"
    assert run(settings, 5)["ranker"] == "train: there is no champion yet"
