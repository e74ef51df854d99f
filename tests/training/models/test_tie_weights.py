"""What measures weigh is what makes the ties that followed most likely, and no more than the prior without any."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from daybreak.ranking.ties import NAMES, PRIOR, chances
from training.data.tie_lessons import Lesson
from training.models.tie_weights import learned

SCHOOL, PAGERANK = NAMES.index("school"), NAMES.index("pagerank")


def lesson(seed: int, users: int = 40, candidates: int = 12, drawn_by: int = SCHOOL) -> Lesson:
    """Users who each tie themselves to one candidate, drawn by one measure alone."""
    draw = np.random.default_rng(seed)
    measures = np.zeros((users, candidates, len(NAMES)))
    measures[:, :, [SCHOOL, PAGERANK]] = draw.normal(size=(users, candidates, 2))
    liked = np.exp(3 * measures[:, :, drawn_by])
    chosen = [draw.choice(candidates, p=row / row.sum()) for row in liked]
    tied = np.zeros((users, candidates), np.bool_)
    tied[np.arange(users), chosen] = True
    rows = np.repeat(np.arange(users), candidates)
    return Lesson.of(rows, measures.reshape(-1, len(NAMES)), tied.ravel())


def surprise(lessons: list[Lesson], weights: np.ndarray, worth: float) -> float:
    """What is made least, by plain loops."""
    total = worth * sum((weights - PRIOR) ** 2)
    for each in lessons:
        ends = [*each.starts[1:], len(each.tied)]
        for start, end in zip(each.starts, ends, strict=True):
            logits = each.measures[start:end] @ weights
            likely = np.exp(logits) / np.exp(logits).sum()
            total -= np.mean(np.log(likely[each.tied[start:end]]))
    return float(total)


def test_without_ties_measures_weigh_what_they_did_before() -> None:
    assert learned([], 5.0).tolist() == PRIOR.tolist()
    nothing = Lesson.of(np.array([0, 0, 1]), np.ones((3, len(NAMES))), np.zeros(3, np.bool_))
    assert learned([nothing], 5.0).tolist() == PRIOR.tolist()


@pytest.mark.parametrize("measure", [SCHOOL, PAGERANK])
def test_what_ties_followed_weighs_most(measure: int) -> None:
    weights = learned([lesson(1, 200, drawn_by=measure)], 1.0)
    assert int(np.argmax(weights[[SCHOOL, PAGERANK]])) == [SCHOOL, PAGERANK].index(measure)
    assert weights[measure] > 2


@given(st.integers(0, 1_000), st.sampled_from([0.5, 5.0, 50.0]))
@trials(deadline=None, max_examples=20)
def test_no_other_weights_make_the_ties_more_likely(seed: int, worth: float) -> None:
    lessons = [lesson(seed, 20), lesson(seed + 1, 10, drawn_by=PAGERANK)]
    found = learned(lessons, worth)
    least = surprise(lessons, found, worth)
    draw = np.random.default_rng(seed)
    for step in (0.01, 0.1, 1.0):
        other = found + step * draw.normal(size=len(found))
        assert surprise(lessons, other, worth) > least


def test_the_more_the_prior_is_worth_the_nearer_weights_stay_to_it() -> None:
    away = [np.linalg.norm(learned([lesson(3)], worth) - PRIOR) for worth in (0.1, 5.0, 500.0)]
    assert away[0] > away[1] > away[2]


def test_users_who_were_tied_to_nobody_teach_nothing() -> None:
    taught = lesson(4, 10)
    rows = np.repeat(np.arange(11), 12)
    measures = np.concatenate([taught.measures, np.ones((12, len(NAMES)))])
    tied = np.concatenate([taught.tied, np.zeros(12, np.bool_)])
    assert learned([Lesson.of(rows, measures, tied)], 5.0).tolist() == learned([taught], 5.0).tolist()


@given(st.lists(st.integers(1, 6), min_size=1, max_size=8), st.integers(0, 100))
def test_the_chances_of_a_users_candidates_add_up_to_one(sizes: list[int], seed: int) -> None:
    starts = np.r_[0, np.cumsum(sizes)[:-1]]
    found = chances(np.random.default_rng(seed).normal(0, 300, sum(sizes)), starts)
    assert np.add.reduceat(found, starts) == pytest.approx(np.ones(len(sizes)))
    assert (found >= 0).all()
