"""The teacher as a model of the registry: what it was comes back, and its scores follow ids from night to night."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daybreak.errors import ModelError
from daybreak.learning import Model
from tests.training.worlds import GroupWorld, group_of
from training.data.histories import Histories, histories_at
from training.data.ids import IdMap
from training.graph_teacher import PREDICTED, FilterModel, fitted, read, renumbered
from training.models import graph_filter
from training.models.graph_filter import FilterSettings
from training.registry.bundle import open_bundle
from training.registry.loaders import servable
from training.retrieval import NEVER, NightView

WORLD = GroupWorld(newcomers=2)
NIGHT = 7
USERS, ITEMS = np.arange(len(WORLD.users_map)), np.arange(len(WORLD.items_map))
GROUPS = np.array([group_of(name) for name in WORLD.items_map.ids.to_pylist()])
COLD = np.array([WORLD.is_newcomer(name) for name in WORLD.items_map.ids.to_pylist()])
EVERYTHING = FilterSettings(smooth=0.5, frequencies=12, recent_first=0.25)


@pytest.fixture(scope="module")
def view() -> NightView:
    return WORLD.view(NIGHT)


@pytest.fixture(scope="module")
def model(view) -> FilterModel:
    return fitted(view, EVERYTHING)


@pytest.mark.parametrize("most_dense", [10_000, 10])
def test_a_bundle_comes_back_as_it_was_written(tmp_path, view, monkeypatch, most_dense):
    """With whole matrices and with products: the same scores to the bit, by whatever loads it."""
    monkeypatch.setattr(graph_filter, "MOST_DENSE_ITEMS", most_dense)
    made = fitted(view, EVERYTHING)
    built_from = {"tables": {"partials/pair_days": 3}}
    bundle = made.write(tmp_path / "gnn", Model.GNN, {"trained_until": "2026-11-08"}, built_from)
    loaded = servable(open_bundle(bundle.folder))
    assert isinstance(loaded, FilterModel)
    assert loaded.graph_filter.settings == made.graph_filter.settings
    assert loaded.items.digest == WORLD.items_map.digest
    before, after = made.at(view), loaded.at(view)
    assert before.for_users(USERS).tobytes() == after.for_users(USERS).tobytes()
    assert before.for_items(ITEMS).tobytes() == after.for_items(ITEMS).tobytes()
    again = fitted(view, EVERYTHING).write(tmp_path / "again", Model.GNN, {"trained_until": "2026-11-08"}, {})
    assert again.digest == bundle.digest


def test_a_bundle_that_is_not_what_it_says_is_refused(tmp_path, model):
    """Other ids than those it was trained with."""
    bundle = model.write(tmp_path / "gnn", Model.GNN, {}, {})
    with pytest.raises(ModelError, match="are not those it was trained with; train it anew"):
        read(replace(bundle, facts={"items_digest": "0" * 16}))


def test_users_and_items_are_given_their_group(model, view):
    """Nothing of another group is ever listed, nor what nobody has wanted; beside an item lies its group."""
    scorer = model.at(view)
    users = scorer.for_users(USERS)
    for user, name in enumerate(WORLD.users_map.ids.to_pylist()):
        assert (users[user, ([group_of(name)] != GROUPS) | COLD] == NEVER).all()
        assert (users[user, ([group_of(name)] == GROUPS) & ~COLD] > 0).mean() > 0.8
    beside = scorer.for_items(ITEMS[~COLD])
    assert (GROUPS[beside.argmax(axis=1)] == GROUPS[~COLD]).all()


def test_whom_it_knows_nothing_of_it_gives_nothing(model, view):
    """Neither a user who has wanted nothing yet, nor beside an item that nobody has wanted."""
    nobody = replace(view, histories=histories_at(WORLD.view(0).night - 1, WORLD.wants()))
    assert (model.at(nobody).for_users(USERS) == NEVER).all()
    assert (model.at(view).for_items(ITEMS[COLD]) == NEVER).all()


def test_an_item_that_the_model_does_not_know_is_never_listed(model):
    """One that came later has a place on the night, and no score there; nor does it help any other item."""
    later = GroupWorld(newcomers=3)
    rows = np.array([group * 43 + 42 for group in range(3)])
    night = later.view(NIGHT)
    assert (model.at(night).for_users(USERS)[:, rows] == NEVER).all()
    assert (model.at(night).for_items(rows) == NEVER).all()
    known = np.setdiff1d(np.arange(len(later.items_map)), rows)
    np.testing.assert_array_equal(
        model.at(night).for_users(USERS)[:, known], model.at(WORLD.view(NIGHT)).for_users(USERS)
    )


def test_scores_follow_ids_when_items_are_numbered_anew(model, view):
    """A night whose items stand in another order gives each item the same score."""
    order = np.random.default_rng(0).permutation(len(ITEMS))
    histories = histories_of(
        [{int(np.argsort(order)[item]): (weight, age) for item, weight, age in row} for row in rows_of(view.histories)],
        len(ITEMS),
    )
    turned = NightView(view.night, view.users, IdMap(WORLD.items_map.of(order)), histories)
    before, after = model.at(view), model.at(turned)
    np.testing.assert_allclose(after.for_users(USERS), before.for_users(USERS)[:, order], rtol=1e-4)
    np.testing.assert_allclose(after.for_items(ITEMS), before.for_items(order)[:, order], rtol=1e-4)


def test_a_night_of_another_world_is_refused(model):
    """Where hardly any item of the model is known, it says so."""
    with pytest.raises(ModelError, match="the teacher knows 126 ids, of which only 10 are known here"):
        model.at(GroupWorld(groups=1, items=10).view(NIGHT))


def rows_of(histories: Histories) -> list[list[tuple[int, float, float]]]:
    columns = (histories.items.tolist(), histories.weights.tolist(), histories.ages.tolist())
    rows = list(zip(*columns, strict=True))
    return [rows[start:end] for start, end in zip(histories.starts, histories.starts[1:], strict=False)]


def histories_of(told: list[dict[int, tuple[float, float]]], n_items: int) -> Histories:
    """The histories that are told user by user: weight and age of each item."""
    sizes = [len(row) for row in told]
    entries = [(item, *row[item]) for row in told for item in sorted(row)]
    columns = [np.array([entry[place] for entry in entries], np.float32) for place in range(3)]
    return Histories(np.r_[0, np.cumsum(sizes)].astype(int), columns[0].astype(np.int64), *columns[1:], n_items)


N_HERE, N_THERE = 6, 5
told_histories = st.lists(
    st.dictionaries(st.integers(0, N_HERE - 1), st.tuples(st.integers(1, 5), st.integers(0, 9))), max_size=5
)


@given(
    told=told_histories,
    places=st.permutations([*range(N_HERE), -1, -1, -1]).map(lambda order: np.array(order[:N_THERE])),
)
def test_renumbered_histories_are_those_of_a_plain_loop(told, places):
    """Each entry at the model's row for its item, in the order of these rows; what the model does not know is gone."""
    found = renumbered(histories_of(told, N_HERE), places)
    row_of = {int(place): row for row, place in enumerate(places) if place >= 0}
    expected = [sorted((row_of[item], *row[item]) for item in row if item in row_of) for row in told]
    assert rows_of(found) == expected
    assert found.n_items == N_THERE


def test_a_prediction_lists_what_comes_next(model):
    """Ids of the own group, never one of the history; ids that nobody knows count for nothing, alone they give none."""
    history = "i0-3 i0-4 i0-5"
    asked = pd.DataFrame({"history": [history, f"i9-9 {history} i0-4", "i9-9", ""]})
    first, same, unknown, nothing = (text.split() for text in model.predict(asked)["items"])
    assert len(first) == len(set(first)) == PREDICTED
    assert {group_of(item) for item in first} == {0}
    assert not set(first) & set(history.split())
    assert {"i0-6", "i0-7", "i0-8"} & set(first[:5])
    assert same == first
    assert unknown == nothing == []


def test_its_own_examples_can_be_predicted(model):
    """What MLflow shows people as an input has an answer for each row."""
    example = model.example()
    assert example["history"].tolist() == ["i0-0 i0-1", "i0-1 i0-2", "i0-2 i0-3"]
    assert all(model.predict(example)["items"])


def test_logits_order_items_as_scores_do(model, view):
    """A student is given finite numbers for all items, also for those that are never listed."""
    logits, scores = model.logits(view.histories), model.graph_filter.scores(view.histories)
    assert np.isfinite(logits).all()
    assert (np.diff(np.take_along_axis(logits, np.argsort(scores), axis=1)) >= 0).all()
    assert (np.ptp(logits, axis=1) > 1).all()
