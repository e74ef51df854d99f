"""The towers as they serve: what was exported says what was fitted, and features alone place whom nobody has met."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch

from daybreak.errors import InputError, ModelError
from tests.training.small_towers import CUT, NIGHTS, WORLD, exported, lessons, model_of, taught, written
from tests.training.worlds import GroupWorld, group_of
from training.data.histories import histories_at
from training.data.ids import IdMap
from training.models.two_tower import TwoTower
from training.registry.bundle import open_bundle
from training.registry.loaders import servable
from training.retrieval import NightView, Scorer, judge_retriever
from training.tower_export import TOWERS, ExportedTowers
from training.towers import TowerModel, read

USERS = np.arange(WORLD.groups * WORLD.users)
ITEM_GROUPS = np.array([group_of(name) for name in WORLD.items_map.ids.to_pylist()])
COLD = np.array([WORLD.is_newcomer(name) for name in WORLD.items_map.ids.to_pylist()])
FORMS = ("float32", "int8", "pruned", "pruned_int8")


@pytest.fixture(scope="module")
def fitted() -> TwoTower:
    torch.set_num_threads(1)
    return taught(hidden=[64])[0]


@pytest.fixture(scope="module")
def towers(fitted, tmp_path_factory) -> ExportedTowers:
    return exported(fitted, tmp_path_factory.mktemp("forms"))


@pytest.fixture(scope="module")
def view() -> NightView:
    return WORLD.view(CUT, with_features=True)


@pytest.fixture(scope="module")
def served(fitted, towers, tmp_path_factory) -> TowerModel:
    return read(written(fitted, towers, tmp_path_factory.mktemp("served")))


def ndcg(scorer: Scorer) -> float:
    return judge_retriever(scorer, WORLD.wanted_after(CUT, with_features=True), (10,)).means["ndcg_at_10"]


def test_everybody_is_given_what_comes_next_in_the_own_group(served, view):
    """Of what the user has not wanted, the next items in the line come among the first."""
    assert ndcg(served.at(view)) > 0.6


def test_newcomers_are_placed_by_what_they_are(served, view):
    """An item that nobody has wanted is ranked, for the users of its group, above the newcomers of other groups."""
    scores = served.at(view).for_users(USERS)
    for user, name in enumerate(WORLD.users_map.ids.to_pylist()):
        mine = [group_of(name)] == ITEM_GROUPS
        assert (scores[user, COLD & mine][:, None] > scores[user, COLD & ~mine][None, :]).mean() > 0.9


def test_an_item_that_the_model_does_not_know_is_placed_too(served):
    """One that came after the model was taught lies beside the items of its group."""
    later = GroupWorld(newcomers=6)
    scores = served.at(later.view(CUT, with_features=True)).for_users(USERS)
    rows = later.items_map.rows(pa.array([later.item(group, 45) for group in range(3)]))
    assert served.items.rows(pa.array([later.item(0, 45)])).tolist() == [-1]
    assert np.isfinite(scores).all()
    for user, name in enumerate(later.users_map.ids.to_pylist()):
        assert scores[user, rows].argmax() == group_of(name)


def test_scores_follow_ids_when_items_are_numbered_anew(served, view):
    """A night whose items stand in another order gives each item the same score."""
    order = np.random.default_rng(0).permutation(len(WORLD.items_map))
    places = np.argsort(order)
    histories = replace(view.histories, items=places[view.histories.items])
    features = replace(view.features, items=view.features.items.take(pa.array(order)))
    turned = NightView(view.night, view.users, IdMap(WORLD.items_map.of(order)), histories, features)
    np.testing.assert_allclose(
        served.at(turned).for_users(USERS), served.at(view).for_users(USERS)[:, order], atol=1e-5
    )


def test_a_user_without_history_is_given_something(served, view):
    """All scores are numbers, and the features of the user place the own group first."""
    histories = histories_at(WORLD.view(0).night - 1, WORLD.wants())
    assert not histories.sizes.any()
    scores = served.at(replace(view, histories=histories)).for_users(USERS)
    assert np.isfinite(scores).all()
    best = ITEM_GROUPS[np.argmax(scores, axis=1)]
    assert (best == [group_of(user) for user in WORLD.users_map.ids.to_pylist()]).mean() > 0.9


def test_items_are_beside_items_of_their_group(served, view):
    """By the cosine of their vectors, each nearest to itself."""
    scores = served.at(view).for_items(np.arange(len(COLD)))
    np.testing.assert_allclose(np.diag(scores), 1, atol=1e-4)
    assert scores.max() <= 1 + 1e-4
    nearest = np.argsort(-scores, axis=1)[:, 1:6]
    assert (ITEM_GROUPS[nearest] == ITEM_GROUPS[:, None]).mean() > 0.95


def test_it_does_not_matter_who_is_asked_together(served, view):
    """A user's scores are the same alone and among others, but for rounding."""
    scorer = served.at(view)
    whole = scorer.for_users(USERS)
    for user in (0, 11, 23):
        np.testing.assert_allclose(scorer.for_users(np.array([user]))[0], whole[user], rtol=1e-4, atol=1e-4)


def test_what_was_exported_says_what_was_fitted(fitted, towers, tmp_path):
    """In float32 within rounding, on drawn rows and on the rows of a night; other forms rank nearly as well."""
    assert tuple(towers.files) == FORMS
    assert towers.gap < 1e-4
    test = WORLD.wanted_after(CUT, with_features=True)
    plain = model_of(fitted).at(test.view)
    for form in FORMS:
        scorer = read(written(fitted, towers, tmp_path / form, form)).at(test.view)
        if form == "float32":
            np.testing.assert_allclose(scorer.for_users(USERS), plain.for_users(USERS), atol=1e-3)
        assert ndcg(scorer) > (0.5 if "pruned" in form else 0.9) * ndcg(plain)


def test_lighter_forms_are_lighter(towers):
    """Whole numbers of 8 bits and fewer neurons take less room, of both towers."""
    for tower in TOWERS:
        sizes = {form: towers.files[form][tower].stat().st_size for form in FORMS}
        assert max(sizes["int8"], sizes["pruned"]) < sizes["float32"]
        assert sizes["pruned_int8"] < sizes["int8"]


def test_a_bundle_comes_back_as_it_was_written(served, fitted, towers, tmp_path, view):
    """The same scores to the bit, by whatever loads it; and the same towers written again are the same model."""
    first, again = (written(fitted, towers, tmp_path / name) for name in ("first", "again"))
    assert first.digest == again.digest
    loaded = servable(open_bundle(first.folder))
    assert isinstance(loaded, TowerModel)
    assert loaded.items.digest == WORLD.items_map.digest
    np.testing.assert_array_equal(loaded.at(view).for_users(USERS), served.at(view).for_users(USERS))
    frame = served.example(view.features.users)
    pd.testing.assert_frame_equal(loaded.predict(frame), served.predict(frame))


def test_a_prediction_is_the_vector_of_the_user(served, view):
    """Of features and what was just wanted; ids that nobody knows are left out, and nothing wanted is no error."""
    frame = served.example(view.features.users)
    assert frame["history"][0] == "i0-0 i0-1"
    vectors = np.stack(served.predict(frame)["vector"])
    assert vectors.shape == (3, 9)
    np.testing.assert_array_equal(vectors[:, -1], np.ones(3, np.float32))
    more = frame.assign(history=[f"nobody {text} knows" for text in frame["history"]])
    np.testing.assert_array_equal(np.stack(served.predict(more)["vector"]), vectors)
    nothing = np.stack(served.predict(frame.assign(history=""))["vector"])
    assert np.isfinite(nothing).all()
    assert not np.array_equal(nothing, vectors)


def test_a_prediction_takes_features_that_nobody_has(served, view):
    """A column without any value, as pandas brings it, is unknown and not an error."""
    frame = served.example(view.features.users)
    assert frame["user_profile__company"].isna().all()
    blank = frame.assign(user_activity__views_7d=np.nan, user_profile__country=None)
    assert np.isfinite(np.stack(served.predict(blank)["vector"])).all()


def test_without_ids_features_alone_are_enough_for_the_group(view):
    """No vectors of ids are kept, and everybody is given items of the own group."""
    model = model_of(taught(with_ids=False)[0], with_ids=False)
    assert not model.ids.any()
    best = np.argsort(-model.at(view).for_users(USERS), axis=1)[:, :5]
    assert (ITEM_GROUPS[best] == [[group_of(user)] for user in WORLD.users_map.ids.to_pylist()]).mean() > 0.9


def test_a_night_without_features_is_refused(served, view):
    """One sentence says what the towers need."""
    with pytest.raises(InputError, match="towers need the features of the night, and the view of it has none"):
        served.at(replace(view, features=None))


def test_a_night_of_another_world_is_refused(served):
    """Where hardly any item of the model is known, it says so, and not what it would list."""
    other = GroupWorld(groups=1, items=10)
    with pytest.raises(ModelError, match="the student knows 132 ids, of which only 10 are known here"):
        served.at(other.view(CUT, with_features=True))


def test_a_bundle_whose_ids_were_changed_is_refused(fitted, towers, tmp_path):
    """Its vectors would stand beside the wrong items."""
    bundle = written(fitted, towers, tmp_path)
    spoilt = replace(bundle, facts={**bundle.facts, "items_digest": "0" * 16})
    with pytest.raises(ModelError, match="are not those it was trained with"):
        read(spoilt)


def test_lessons_are_of_nights_that_are_past():
    """No history and no feature of a lesson knows of a later night."""
    for night in lessons().nights:
        assert night.night - WORLD.view(0).night in NIGHTS
        assert (night.histories.ages > 0).all()
        wanted = {(user, item) for user, items in _wanted_on(night.night + 1) for item in items}
        told = {
            (int(night.users[place]), int(item))
            for place in range(len(night))
            for item in night.wanted[night.starts[place] : night.starts[place + 1]]
        }
        assert told <= wanted


def _wanted_on(day_number: int) -> list[tuple[int, set[int]]]:
    found: dict[int, set[int]] = {}
    wants = WORLD.wants()
    for user, item, moment in zip(wants.users, wants.items, wants.days, strict=True):
        if moment == day_number:
            found.setdefault(int(user), set()).add(int(item))
    return list(found.items())
