"""A device without room for a batch computes it in pieces, and the model comes out the same."""

from __future__ import annotations

import pytest

from daybreak.errors import InputError
from tests.training.fitting.toys import CONFIG, Regression, close, fitted, weights


def test_pieces_shrink_until_they_fit(caplog):
    """16 examples do not fit, nor do 8; 4 do. Each is said once, and the model is that of a larger device."""
    small, large = Regression(room=5), Regression()
    told = []
    report = fitted(
        small, observe=lambda name, value, number: told.append((name, value, number)) if name == "micro_batch" else None
    )
    expected = fitted(large)
    assert told == [("micro_batch", 8, 0), ("micro_batch", 4, 0)]
    assert [record.message.partition(" ")[0] for record in caplog.records] == ["16", "8"]
    assert report.micro_batch == 4
    assert report.losses == pytest.approx(expected.losses)
    assert close(weights(small), weights(large))


def test_what_was_computed_before_memory_ran_out_does_not_count_twice():
    """The second piece of a batch does not fit: the whole batch is computed anew."""
    halves = CONFIG.model_copy(update={"accumulate": 2})
    crowded, alone = Regression(crowded_at=2), Regression()
    assert fitted(crowded, halves).micro_batch == 4
    fitted(alone, halves)
    assert close(weights(crowded), weights(alone))


def test_pieces_stay_small_when_a_fit_goes_on(tmp_path):
    """A fit that is taken up again has not forgotten how much fits."""
    path = tmp_path / "fit.checkpoint"
    with pytest.raises(InputError, match="epoch 2"):
        fitted(Regression(room=5, spoil_at=50), checkpoint=path)
    told = []
    fitted(Regression(room=5), checkpoint=path, observe=lambda name, value, number: told.append(name))
    assert "micro_batch" not in told


def test_a_module_that_does_not_fit_at_all_gets_one_sentence():
    """Not even one example at a time."""
    with pytest.raises(InputError, match=r"does not fit the device: .* \(no room for 1\); take a smaller module"):
        fitted(Regression(room=0), CONFIG)
