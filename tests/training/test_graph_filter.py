"""Each part of the filter is what its formula says, and together they give everybody items of the own group."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.worlds import GroupWorld, group_of
from training.data.histories import Histories
from training.evaluation.ranking import Sets
from training.evaluation.top_k import top_k
from training.graph_teacher import SEARCH, START, choose, fitted, gains
from training.models import graph_filter, spectrum
from training.models.filter_parts import Completed, whole
from training.models.graph_filter import FilterSettings, fit_filter
from training.retrieval import judge_retriever

N_USERS, N_ITEMS = 6, 5
WORLD = GroupWorld()
NIGHT = 6
OFF = {"walk": 0.0, "smooth": 0.0, "ridge": 0.0, "trend": 0.0, "value": 0.0, "beyond": 0.0, "slope": 0.0}
TIES = {"tie_half_life_days": 30.0}
"""Everything off, to turn one thing on; ties fade, so that the formulas have something to say."""

entries = st.dictionaries(
    st.tuples(st.integers(0, N_USERS - 1), st.integers(0, N_ITEMS - 1)),
    st.tuples(st.integers(0, 40), st.integers(1, 5)),
    min_size=1,
    max_size=20,
)
"""By user and item: days since the last want, and how much all wants weigh."""


def histories(told, n_users: int = N_USERS, n_items: int = N_ITEMS) -> Histories:
    keys = sorted(told)
    starts = np.searchsorted([user for user, _ in keys], np.arange(n_users + 1))
    ages, weights = (np.array([told[key][place] for key in keys], np.float32) for place in range(2))
    return Histories(starts, np.array([item for _, item in keys], np.int64), weights, ages, n_items)


def settings_of(**values) -> FilterSettings:
    return FilterSettings(**{**OFF, **TIES, **values})


def ties(told, half_life: float) -> np.ndarray:
    """How much each user is tied to each item."""
    matrix = np.zeros((N_USERS, N_ITEMS))
    for (user, item), (age, _) in told.items():
        matrix[user, item] = 0.5 ** (age / half_life)
    return matrix


@given(told=entries, users=st.sampled_from([0.0, 0.75, 1.0]), items=st.sampled_from([0.0, 0.5]))
def test_the_walk_sums_over_all_ways_of_two_steps(told, users, items):
    """From item to user to item, each tie faded, each way damped by the degrees of where it passes."""
    asked = settings_of(walk=1.0, user_damping=users, item_damping=items, tie_half_life_days=20.0)
    tied = ties(told, 20.0)
    expected = np.zeros((N_ITEMS, N_ITEMS))
    for start, end, user in product(range(N_ITEMS), range(N_ITEMS), range(N_USERS)):
        if tied[user, start] and tied[user, end]:
            damping = tied[user].sum() ** (2 * users) * (tied[:, start].sum() * tied[:, end].sum()) ** items
            expected[start, end] += tied[user, start] * tied[user, end] / damping
    np.testing.assert_allclose(fit_filter(histories(told), asked).parts["walk"], expected, rtol=1e-4, atol=1e-7)


@given(told=entries, penalty=st.sampled_from([0.05, 1.0]))
def test_the_ridge_rebuilds_each_item_from_the_others(told, penalty):
    """Item by item the weights of a ridge regression in which the item itself has no say, as numpy solves it."""
    tied = ties(told, 30.0)
    strength = penalty * np.linalg.eigvalsh(tied.T @ tied).max()
    expected = np.zeros((N_ITEMS, N_ITEMS))
    for item in range(N_ITEMS):
        others = [other for other in range(N_ITEMS) if other != item]
        table = tied[:, others]
        gram = table.T @ table + strength * np.eye(len(others))
        expected[others, item] = np.linalg.solve(gram, table.T @ tied[:, item])
    found = fit_filter(histories(told), settings_of(ridge=1.0, penalty=penalty)).parts["ridge"]
    np.testing.assert_allclose(found, expected, rtol=2e-2, atol=1e-3)
    assert not np.diag(found).any()


@given(told=entries, frequencies=st.integers(1, 3), damping=st.sampled_from([0.0, 0.5]))
@settings(max_examples=50)
def test_smoothing_twice_is_smoothing_once(told, frequencies, damping):
    """It is a projection on so many frequencies, or on all there are, between the degrees of the items; without damping
    a plain one."""
    found = fit_filter(histories(told), settings_of(smooth=1.0, frequencies=frequencies, item_damping=damping))
    part = whole(found.parts["smooth"]).astype(np.float64)
    np.testing.assert_allclose(part @ part, part, atol=1e-4 * np.abs(part).max() ** 2)
    assert np.trace(part) == pytest.approx(min(frequencies, np.linalg.matrix_rank(ties(told, 30.0))), abs=1e-3)
    if not damping:
        np.testing.assert_allclose(part, part.T, atol=1e-5)


def test_what_is_wanted_more_lately_is_lifted():
    """And what was wanted more before is not; with no exponent nothing is."""
    told = {(user, int(user >= 3)): (30 - 5 * user, 1) for user in range(N_USERS)}
    lifted = fit_filter(histories(told), settings_of(walk=1.0, trend=1.0)).lifted
    assert lifted[1] > 1 > lifted[0]
    assert fit_filter(histories(told), settings_of(walk=1.0)).lifted.tolist() == [1] * N_ITEMS
    twice = fit_filter(histories(told), settings_of(walk=1.0, trend=2.0)).lifted
    np.testing.assert_allclose(twice, lifted**2, rtol=1e-5)


@given(st.lists(st.integers(0, 3), min_size=N_ITEMS, max_size=N_ITEMS).filter(any))
def test_equal_shares_at_all_times_lift_nothing(wanted_by):
    """What was wanted at the same moment is equally recent, whoever wanted it and however many did."""
    told = {(user, item): (3, 1) for item, many in enumerate(wanted_by) for user in range(many)}
    lifted = fit_filter(histories(told), settings_of(walk=1.0, trend=1.0)).lifted
    np.testing.assert_allclose(lifted, np.ones(N_ITEMS), rtol=1e-5)


@pytest.mark.parametrize("part", ["walk", "smooth", "ridge"])
def test_everybody_is_given_items_of_the_own_group(part):
    """By each part alone: no item of another group comes before one of the own."""
    view = WORLD.view(NIGHT)
    found = fit_filter(view.histories, settings_of(**{part: 1.0}, frequencies=3)).scores(view.histories)
    lists = top_k(found, Sets(view.histories.starts, view.histories.items), 8)
    groups = [{group_of(name) for name in WORLD.items_map.of(row).to_pylist()} for row in lists]
    assert groups == [{group_of(user)} for user in WORLD.users_map.ids.to_pylist()]


def test_the_next_items_in_the_line_come_first():
    """What others wanted after the same items is listed before the rest of the group."""
    test = WORLD.wanted_after(NIGHT)
    found = judge_retriever(fitted(test.view, FilterSettings()).at(test.view), test, (10,)).means
    assert found["recall_at_10"] > 0.8


@pytest.mark.parametrize("values", [{"walk": 1.0}, {"smooth": 1.0, "frequencies": 32}, {"ridge": 1.0}])
def test_the_same_histories_give_the_same_bytes(values):
    """Also where many frequencies are equally strong, as the groups of a world are."""
    asked = histories_of_groups()
    first, again = (fit_filter(asked, settings_of(**values, trend=1.0)) for _ in range(2))
    for name in first.parts:
        assert whole(first.parts[name]).tobytes() == whole(again.parts[name]).tobytes()
    assert first.scores(asked).tobytes() == again.scores(asked).tobytes()
    assert [each.tobytes() for each in first.factors(8)] == [each.tobytes() for each in again.factors(8)]


def histories_of_groups() -> Histories:
    """Everybody wanted everything of the own group: as few frequencies as groups, all equally strong."""
    told = {(user, item): (1, 1) for user in range(72) for item in range(90) if user % 3 == item % 3}
    return histories(told, 72, 90)


def test_what_is_small_is_smoothed_as_what_is_large(monkeypatch):
    """Whether a matrix is decomposed whole or by subspaces."""
    asked, smooth = WORLD.view(NIGHT).histories, settings_of(smooth=1.0, frequencies=6)
    small = whole(fit_filter(asked, smooth).parts["smooth"])
    as_if_large(monkeypatch, 0)
    np.testing.assert_allclose(whole(fit_filter(asked, smooth).parts["smooth"]), small, atol=1e-5)


def as_if_large(monkeypatch, small: int) -> None:
    """Matrices of more than so many rows count as large, and subspaces are narrow enough for them."""
    for name, value in {"SMALL": small, "SMALL_DENSE": small, "LEAST_WIDTH": 3, "STEPS": 12}.items():
        monkeypatch.setattr(spectrum, name, value)


def test_with_a_slope_higher_frequencies_count_less():
    """Each by its strength beside the strongest, to the exponent."""
    asked = WORLD.view(NIGHT).histories
    tied = asked.matrix((0.5 ** (asked.ages / 30)).astype(np.float32)).toarray().astype(np.float64)
    users = tied.sum(axis=1, keepdims=True) ** 0.75
    expected = np.linalg.svd(tied / users, compute_uv=False)[:6]
    smooth = settings_of(smooth=1.0, frequencies=6, slope=1.0, item_damping=0.0)
    strengths = np.linalg.eigvalsh(whole(fit_filter(asked, smooth).parts["smooth"]).astype(np.float64))
    np.testing.assert_allclose(strengths[::-1][:6], expected / expected[0], atol=1e-3)


@pytest.mark.parametrize("small", [0, 64])
def test_a_filter_of_nobody_gives_nothing(monkeypatch, small):
    """Where no night had known any want yet, nothing breaks and no item scores."""
    as_if_large(monkeypatch, small)
    nobody = histories({})
    found = fit_filter(nobody, START)
    assert not found.scores(nobody).any()
    assert not any(vectors.any() for vectors in found.factors(3))


@pytest.mark.parametrize("size", [1, 2])
def test_a_user_is_given_the_same_whoever_is_asked_beside(size):
    """Scores do not depend on how users are cut into blocks, whatever counts in a history."""
    wants = [(user, item, 1 + 4 * ((user + item) % 2) * user) for user in range(N_USERS) for item in range(N_ITEMS)]
    asked = histories({(user, item): (item, weight) for user, item, weight in wants if (user * item) % 3})
    found = fit_filter(asked, FilterSettings(value=0.5))
    together = found.scores(asked)
    for start in range(0, len(asked), size):
        rows = np.arange(start, min(start + size, len(asked)))
        np.testing.assert_allclose(found.scores(asked.of_rows(rows)), together[rows], rtol=1e-5)


def test_with_a_value_what_weighs_more_asks_more():
    """A purchase beside a view pulls the list its way; without, both ask alike."""
    told = {(0, 0): (0, 9), (0, 1): (0, 1), (1, 0): (0, 1), (1, 2): (0, 1), (2, 1): (0, 1), (2, 3): (0, 1)}
    asked = histories(told)
    alike, valued = (fit_filter(asked, settings_of(walk=1.0, value=value)).scores(asked)[0] for value in (0.0, 1.0))
    assert alike[2] == pytest.approx(alike[3])
    assert valued[2] > valued[3]


def test_of_many_items_the_low_pass_does_the_work_of_all(monkeypatch):
    """No matrix of items by items is made, whatever was asked for; the scores are those of the low-pass alone."""
    asked = WORLD.view(NIGHT).histories
    shaped = {"frequencies": 16, "beyond": 0.5, "slope": 0.5, "trend": 0.5}
    alone = fit_filter(asked, settings_of(smooth=1.0, **shaped))
    monkeypatch.setattr(graph_filter, "MOST_DENSE_ITEMS", 10)
    found = fit_filter(asked, settings_of(walk=1.0, smooth=0.5, ridge=1.0, **shaped))
    assert (set(found.parts), found.settings) == ({"smooth"}, alone.settings)
    assert isinstance(found.parts["smooth"], Completed)
    np.testing.assert_array_equal(found.scores(asked), alone.scores(asked))


def test_settings_that_make_one_filter_are_one(monkeypatch):
    """What shapes a part that does not count is as it is by itself, for few items and for many."""
    idle = {"frequencies": 7, "slope": 0.1, "beyond": 0.2, "penalty": 9.0, "trend_share": 0.9}
    assert settings_of(walk=1.0, **idle).for_catalogue(10) == FilterSettings(walk=1, smooth=0, ridge=0, trend=0,
        value=0, tie_half_life_days=30)  # fmt: skip
    counts = settings_of(walk=1.0, smooth=1.0, ridge=1.0, trend=1.0)
    assert counts.model_copy(update=idle).for_catalogue(10) == counts.model_copy(update=idle)
    monkeypatch.setattr(graph_filter, "MOST_DENSE_ITEMS", 5)
    many = settings_of(walk=1.0, frequencies=7).for_catalogue(6)
    assert (many.walk, many.smooth, many.ridge, many.frequencies) == (0, 1, 0, 7)


@pytest.mark.parametrize("values", [{"walk": 1.0}, {"smooth": 1.0}, {"ridge": 1.0}])
def test_a_student_has_something_to_start_from_whatever_there_is_of_the_filter(monkeypatch, values):
    """Also of many items: the vectors of items that are wanted together point the same way."""
    monkeypatch.setattr(graph_filter, "MOST_DENSE_ITEMS", 10)
    remembered, scored = fit_filter(WORLD.view(NIGHT).histories, settings_of(**values)).factors(16)
    assert_groups_lie_apart(remembered @ scored.T)


def test_factors_come_near_to_the_filter():
    """The products of a student's first vectors order items as the filter does: the own group before all others."""
    view = WORLD.view(NIGHT)
    remembered, scored = fit_filter(view.histories, FilterSettings()).factors(16)
    assert_groups_lie_apart(remembered @ scored.T)


def assert_groups_lie_apart(near: np.ndarray) -> None:
    groups = np.array([group_of(name) for name in WORLD.items_map.ids.to_pylist()])
    own = groups[:, None] == groups[None, :]
    assert near[own].mean() > 10 * np.abs(near[~own]).mean()


@pytest.mark.parametrize("trials", [1, 3, 9])
def test_the_search_keeps_within_its_trials_and_never_ends_worse_than_it_began(trials):
    """What it gives was tried, as was where it began, and ranks no worse."""
    test = WORLD.wanted_after(NIGHT)
    choice = choose(test, START, trials, SEARCH)
    tried = dict(choice.tried)
    assert len(tried) == trials
    assert tried[choice.settings] >= tried[START.for_catalogue(len(test.view.items))]


def test_the_search_moves_a_setting_only_where_users_gain_by_more_than_chance():
    """Where the mean gain is above its standard error; a difference that a user or two make is none."""
    test = WORLD.wanted_after(NIGHT)
    worst = settings_of(ridge=1.0, penalty=1e6, query_half_life_days=1e6)
    assert choose(test, worst, 9, [("walk", (1.0,))]).settings.walk == 1.0
    assert choose(test, worst, 9, [("neighbours", (100,))]).settings == worst.for_catalogue(len(test.view.items))
    assert gains(np.array([1.0, 1.0, 1.1]))
    assert not gains(np.array([9.0, -4.0, -4.0]))
    assert not gains(np.zeros(3))


def test_the_search_never_tries_a_filter_of_no_parts():
    """However it is told to."""
    alone = settings_of(walk=1.0)
    choice = choose(WORLD.wanted_after(NIGHT), alone, 9, [("walk", (0.0,)), ("value", (0.5,))])
    assert all(each.walk + each.smooth + each.ridge for each, _ in choice.tried)
    assert len(choice.tried) == 2


def test_with_recent_first_the_last_want_asks_most():
    """What comes first in a history by its moment counts whole, the next ones less by their place."""
    told = {(0, 0): (0, 1), (0, 1): (9, 1), (1, 0): (0, 1), (1, 2): (0, 1), (2, 1): (0, 1), (2, 3): (0, 1)}
    asked = histories(told)
    even = {"walk": 1.0, "query_half_life_days": 1e6, "tie_half_life_days": 1e6}
    alike, recent = (
        fit_filter(asked, settings_of(**even, recent_first=power)).scores(asked)[0] for power in (0.0, 1.0)
    )
    assert alike[2] == pytest.approx(alike[3], rel=1e-3)
    assert recent[2] == pytest.approx(2 * recent[3], rel=1e-3)
