"""The champion ranker orders lists by what showing an item is worth, from what could be known when they are served."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pyarrow as pa
import pytest

from daybreak.candidates import POPULARITY
from daybreak.datasets import LISTS
from daybreak.errors import InputError, ModelError
from daybreak.features.counted import USER_ACTIVITY
from daybreak.features.services import RANKER
from daybreak.lake import Lake, Window
from daybreak.learning import CHAMPIONS
from daybreak.ranking.fitted_ranker import FittedRanker
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from serving_export.explaining import explain
from tests.lake import put
from tests.serving_export.homes import copied, home_in
from tests.serving_export.nights import NIGHT, users_of
from tests.serving_export.ranked_world import SURFACES, features_of, fitted, put_ranked_night, release, told_of
from tests.tiny import Row, TinyWorld

UTILITY = {"clicked": 0.02, "carted": 0.1, "purchased": 1.0}
WORLD = TinyWorld(groups=2, users=4, items=6)


@pytest.fixture(scope="module")
def ranker(tmp_path_factory: pytest.TempPathFactory) -> FittedRanker:
    return fitted(tmp_path_factory.mktemp("rows"), WORLD)


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory, ranker: FittedRanker) -> Settings:
    settings = home_in(tmp_path_factory.mktemp("ranked"), SURFACES.replace("BY", "ranker"))
    put_ranked_night(settings, ranker)
    return settings


@pytest.fixture
def settings(night: Settings, tmp_path: Path) -> Settings:
    return copied(night, tmp_path)


def listed(settings: Settings, **options: object) -> dict[str, list[Row]]:
    run_steps([step_named("serving_export.lists")], NIGHT, settings, overrides=options)
    lists: dict[str, list[Row]] = {}
    rows = Lake.of(settings).table(LISTS).read(Window(since=NIGHT, until=NIGHT)).to_pylist()
    for row in sorted(rows, key=lambda row: row["rank"]):
        if row["audience"] == "query":
            lists.setdefault(row["query_id"], []).append(row)
    return lists


def assert_worth(settings: Settings, ranker: FittedRanker, lists: dict[str, list[Row]]) -> None:
    """Every entry's score is what showing it is worth, by features looked up one by one."""
    told = told_of(Lake.of(settings))
    for user, entries in lists.items():
        rows = [features_of(told, settings, user, entry["candidate_id"]) for entry in entries]
        types = {"item_text__text_vector": pa.list_(pa.float32())}
        columns = {name: pa.array([row[name] for row in rows], types.get(name)) for name in ranker.encoder.columns}
        chances = ranker.score(pa.table(columns))
        worth = sum(value * chances[head] for head, value in UTILITY.items())
        assert [entry["score"] for entry in entries] == pytest.approx(worth.tolist(), rel=1e-4)


def test_lists_are_ordered_by_worth_from_what_could_be_known(night: Settings, ranker: FittedRanker) -> None:
    """For every user and item the score is the one of features looked up by plain loops: the newest that were told by
    then and are not too old, through what other views tell of the item."""
    lists = listed(night)
    assert set(lists) == {user for group in range(2) for user in users_of(WORLD, group)}
    assert_worth(night, ranker, lists)
    for rows in lists.values():
        scores = [row["score"] for row in rows]
        assert scores == sorted(scores, reverse=True)
    assert len({tuple(row["candidate_id"] for row in rows) for rows in lists.values()}) > 1


def test_what_is_told_after_lists_are_served_changes_nothing(settings: Settings) -> None:
    before = listed(settings)
    view = USER_ACTIVITY
    lake = Lake.of(settings)
    rows = lake.table(view.dataset).read(Window(since=NIGHT, until=NIGHT)).to_pylist()
    told = {feature.name: 1_000 for feature in view.features if str(feature.type) == "int64"}
    late = [
        {"user_id": user, "event_ts": f"{NIGHT}T23:59:00Z", "available_ts": "2026-11-06T00:00:00Z", **told, "ds": NIGHT}
        for user in before
        if user not in {row["user_id"] for row in rows}
    ]
    assert late
    put(lake, view.dataset, NIGHT, [*rows, *late])
    assert listed(settings) == before


def test_a_user_and_an_item_of_whom_nothing_is_told_are_ranked_all_the_same(
    settings: Settings, ranker: FittedRanker
) -> None:
    lake = Lake.of(settings)
    for chosen in RANKER.chosen:
        for ds in lake.table(chosen.view.dataset).days():
            put(lake, chosen.view.dataset, ds, [])
    assert_worth(settings, ranker, listed(settings))


def test_lists_do_not_hang_on_blocks_and_threads(settings: Settings) -> None:
    digests = set()
    for options in ({}, {"block": 3, "threads": 1}, {"block": 1, "threads": 3}, {"at_once": 2}):
        listed(settings, **options)
        digests.add(Lake.of(settings).table(LISTS).digest(NIGHT))
    assert len(digests) == 1


def test_while_there_is_no_champion_the_merged_order_stands(settings: Settings) -> None:
    put(Lake.of(settings), CHAMPIONS, NIGHT, [])
    without = listed(settings)
    settings.surfaces.write_text(SURFACES.replace("BY", "fusion"))
    merged = listed(settings)
    for user, rows in without.items():
        assert [row["candidate_id"] for row in rows] == [row["candidate_id"] for row in merged[user]]


def test_an_explanation_tells_what_the_ranker_saw_and_foresaw(settings: Settings, ranker: FittedRanker) -> None:
    user = users_of(WORLD, 0)[0]
    rows = listed(settings)[user]
    told = explain(settings, "for_you", user, NIGHT)
    assert told["same_as_written"]
    known = told_of(Lake.of(settings))
    for entry, row in zip(told["entries"], rows, strict=True):
        expected = features_of(known, settings, user, entry["candidate"])
        assert entry["features"] == {name: expected[name] for name in entry["features"]}
        total = sum(value * entry["foreseen"][head] for head, value in UTILITY.items())
        assert total == pytest.approx(row["score"], rel=1e-4)


def test_a_ranker_that_gives_no_number_stops_the_night_and_says_for_whom(
    settings: Settings, ranker: FittedRanker
) -> None:
    listed(settings)
    before = Lake.of(settings).table(LISTS).digest(NIGHT)
    model = onnx.load_from_string(ranker.forms["float32"])
    for weights in model.graph.initializer:
        if weights.data_type == onnx.TensorProto.FLOAT:
            weights.CopyFrom(onnx.numpy_helper.from_array(onnx.numpy_helper.to_array(weights) * np.nan, weights.name))
    broken = replace(ranker, forms={**ranker.forms, "float32": model.SerializeToString()})
    release(settings, broken)
    with pytest.raises(ModelError, match=r"for_you: what ranks gives .* no finite number, first 'i1-5' for 'u0-0'"):
        listed(settings)
    assert Lake.of(settings).table(LISTS).digest(NIGHT) == before


@pytest.mark.parametrize("score", [float("nan"), float("inf")])
def test_candidates_whose_score_is_no_number_stop_the_night_and_are_named(settings: Settings, score: float) -> None:
    put(Lake.of(settings), POPULARITY, NIGHT, [{"item_id": "i0-3", "score": score, "events": 1}])
    with pytest.raises(InputError, match=r"candidates/popularity of .* item_id i0-3, score (nan|inf).*jobs.popularity"):
        listed(settings)
