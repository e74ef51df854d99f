"""NDCG by group is that of a plain loop over groups, and of scikit-learn."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import ndcg_score

from daybreak.errors import InputError
from training.evaluation.grouped import grouped_ndcg

ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.sampled_from([0.0, 0.5, 1.0]), st.integers(0, 3)), min_size=1, max_size=25
)


@given(ROWS.filter(lambda rows: any(gain for _, _, gain in rows)), st.integers(1, 6))
def test_each_group_is_judged_alone(rows, k):
    """Its rows by score, equal ones in their order; groups without a gain are left out."""
    expected = {}
    for group in sorted({group for group, _, _ in rows}):
        mine = [(score, gain) for name, score, gain in rows if name == group]
        by_score = [gain for _, gain in sorted(mine, key=lambda row: -row[0])]
        best = sorted(by_score, reverse=True)
        found, ideal = (sum(g / math.log2(n + 2) for n, g in enumerate(gains[:k])) for gains in (by_score, best))
        if ideal:
            expected[group] = found / ideal
    found = grouped_ndcg(*(np.array(column) for column in zip(*rows, strict=True)), k)
    assert dict(zip(found.groups.tolist(), found.values.tolist(), strict=True)) == pytest.approx(expected)


def test_groups_agree_with_scikit_learn():
    """Fifty groups of ten rows with gains of 0 to 4, in any order of rows."""
    chance = np.random.default_rng(3)
    scores, gains = chance.random((50, 10)), chance.integers(0, 5, (50, 10))
    groups, shuffled = np.repeat(np.arange(50), 10), chance.permutation(500)
    found = grouped_ndcg(groups[shuffled], scores.ravel()[shuffled], gains.ravel()[shuffled], 5)
    assert found.mean == pytest.approx(ndcg_score(gains, scores, k=5))


@pytest.mark.parametrize(
    ("scores", "gains", "sentence"),
    [
        ([0.1, 0.2], [0, 0], "none of 1 has one"),
        ([0.1, np.nan], [0, 1], "look for NaN"),
        ([0.1, 0.2], [0, -1], "gains of 0 and above"),
        ([0.1], [0, 1], "1 scores, 2 gains"),
    ],
)
def test_what_has_no_answer_gets_one_sentence(scores, gains, sentence):
    """Nothing to find, NaN, negative gains, rows that do not match."""
    with pytest.raises(InputError, match=sentence):
        grouped_ndcg(np.zeros(2, dtype=np.int64), scores, gains, 3)
