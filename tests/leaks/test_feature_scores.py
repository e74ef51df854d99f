"""How much a feature tells by itself, against pairs compared one by one."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daybreak.leaks.feature_scores import auc, scores_of

SCORED = st.lists(st.tuples(st.sampled_from([-1.0, 0.0, 0.5, 2.0, float("-inf")]), st.booleans()), max_size=40)


@given(SCORED)
def test_the_area_is_the_share_of_pairs_in_the_right_order(rows: list[tuple[float, bool]]) -> None:
    """Of every row with the outcome and every row without, equal scores counting half."""
    scores = np.array([score for score, _ in rows])
    outcomes = np.array([outcome for _, outcome in rows], dtype=bool)
    pairs = [(a > b) + (a == b) / 2 for a in scores[outcomes] for b in scores[~outcomes]]
    assert auc(scores, outcomes) == (pytest.approx(sum(pairs) / len(pairs)) if pairs else None)


def score(values: pa.Array, label: list[bool]) -> float | None:
    (one,) = scores_of(pa.table({"feature": values, "label": pa.array(label)}), ["feature"], "label")
    return one.auc


CLICKED = [bool(n % 4 == 0) for n in range(400)]
RANDOM = np.random.default_rng(1)


@pytest.mark.parametrize(
    "values",
    [
        pa.array([int(clicked) for clicked in CLICKED]),
        pa.array([not clicked for clicked in CLICKED]),
        pa.array([None if clicked else 1.5 for clicked in CLICKED]),
        pa.array([datetime(2026, 1, 1 + clicked, tzinfo=UTC) for clicked in CLICKED], pa.timestamp("us", tz="UTC")),
        pa.array(["bought" if clicked else "seen" for clicked in CLICKED]),
    ],
    ids=["number", "opposite", "missing", "moment", "word"],
)
def test_a_feature_made_of_the_outcome_tells_all(values: pa.Array) -> None:
    """Whatever its type, and also where it is the opposite, or missing just there."""
    shuffled = RANDOM.permutation(len(CLICKED))
    assert score(values.take(pa.array(shuffled)), [CLICKED[n] for n in shuffled]) == pytest.approx(1.0)


def test_a_word_of_its_own_for_each_row_tells_nothing() -> None:
    """Rates are learned from other rows, so that an id does not look like knowledge."""
    shuffled = RANDOM.permutation(len(CLICKED))
    assert score(pa.array([f"id{n}" for n in shuffled]), [CLICKED[n] for n in shuffled]) == 0.5


def test_lists_and_labels_that_never_differ_are_not_scored() -> None:
    """What cannot be said is told as such."""
    assert score(pa.array([[1.0]] * 400), CLICKED) is None
    assert score(pa.array(range(400)), [False] * 400) is None
