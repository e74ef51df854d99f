"""Measures of probabilities are those of scikit-learn, weighed or not, and refuse what has no answer."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

from daybreak.errors import InputError
from training.evaluation import binary

PROBABILITY = st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.9, 1.0])
ROW = st.tuples(st.integers(0, 1), PROBABILITY, st.sampled_from([0.5, 1.0, 3.0]))
ROWS = st.lists(ROW, min_size=2, max_size=30).filter(lambda rows: len({label for label, _, _ in rows}) == 2)


@given(ROWS, st.booleans())
def test_measures_agree_with_scikit_learn(rows, weighed):
    """AUC with ties, log loss with probabilities of 0 and 1, and the Brier score."""
    labels, said, weights = (np.array(column) for column in zip(*rows, strict=True))
    mine = weights if weighed else None
    assert binary.auc(labels, said, mine) == pytest.approx(roc_auc_score(labels, said, sample_weight=mine))
    assert binary.log_loss(labels, said, mine) == pytest.approx(log_loss(labels, said, sample_weight=mine))
    assert binary.brier(labels, said, mine) == pytest.approx(brier_score_loss(labels, said, sample_weight=mine))


def test_saying_the_base_rate_has_an_entropy_of_one():
    """Normalised cross entropy is 1 for who knows the base rate alone, and lower for who knows more."""
    labels = [1, 0, 0, 0]
    assert binary.normalised_cross_entropy(labels, [0.25] * 4) == pytest.approx(1)
    assert binary.normalised_cross_entropy(labels, [0.5, 0.2, 0.2, 0.1]) < 1


@pytest.mark.parametrize("equal", ["mass", "width"])
def test_calibration_is_what_the_bins_say(equal):
    """Two bins: 0.2 is said of four rows of which two are yes, 0.8 of four of which all are."""
    found = binary.calibration([1, 1, 0, 0, 1, 1, 1, 1], [0.2] * 4 + [0.8] * 4, bins=2, equal=equal)
    assert found.said.tolist() == pytest.approx([0.2, 0.8])
    assert found.happened.tolist() == [0.5, 1.0]
    assert found.weights.tolist() == [4, 4]
    assert found.error == pytest.approx((0.3 + 0.2) / 2)


@given(ROWS, st.randoms(use_true_random=False), st.sampled_from(["mass", "width"]))
def test_the_order_of_rows_does_not_change_calibration(rows, random, equal):
    """Equal probabilities stay together, so that a shuffled table gives the same error."""
    shuffled = random.sample(rows, len(rows))
    errors = [
        binary.calibration(*(np.array(column) for column in zip(*each, strict=True)), bins=4, equal=equal).error
        for each in (rows, shuffled)
    ]
    assert errors[0] == pytest.approx(errors[1])


def test_all_measures_have_legal_names():
    """What is logged of a classifier."""
    assert set(binary.binary_metrics([0, 1], [0.2, 0.7])) == {
        "auc",
        "log_loss",
        "normalised_cross_entropy",
        "brier",
        "ece_equal_mass",
        "ece_equal_width",
    }


@pytest.mark.parametrize(
    ("measure", "labels", "said", "sentence"),
    [
        (binary.auc, [1, 1], [0.1, 0.2], "AUC is undefined: it needs labels of both 0 and 1, but all 2 rows are 1"),
        (binary.normalised_cross_entropy, [0, 0], [0.1, 0.2], "is undefined"),
        (binary.auc, [0, 1], [0.1, np.nan], "1 of 2 are NaN or infinite"),
        (binary.log_loss, [0, 1], [0.1, 1.2], "probabilities from 0 to 1"),
        (binary.brier, [0, 2], [0.1, 0.2], "labels of 0 and 1"),
        (binary.brier, [0, 1], [0.1], "2 labels, 1 scores"),
        (binary.auc, [], [], "at least one row"),
    ],
)
def test_what_has_no_answer_gets_one_sentence(measure, labels, said, sentence):
    """One class, NaN, no probabilities, no labels, rows that do not match."""
    with pytest.raises(InputError, match=sentence):
        measure(labels, said)
