"""A fit that was killed goes on as if nothing had been; a checkpoint that is not its own is told in one sentence."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from daybreak.errors import InputError
from tests.training.fitting.toys import CONFIG, Regression, equal, fitted, weights


@pytest.fixture
def saved(tmp_path):
    """The checkpoint of a fit that is done."""
    path = tmp_path / "fit.checkpoint"
    fitted(Regression(), checkpoint=path)
    return path


def test_a_killed_fit_goes_on_to_the_bit(tmp_path):
    """Killed in the middle of an epoch, between two checkpoints: the same weights and the same curves at the end."""
    path = tmp_path / "fit.checkpoint"
    died = subprocess.run(
        [sys.executable, "-m", "tests.training.fitting.toys", tmp_path, path],
        env={**os.environ, "DROPOUT": "0.3", "DIE_AT": str(2 * 7 + 5)},
        check=False,
    )
    assert died.returncode == -signal.SIGKILL
    resumed, whole = Regression(dropout=0.3), Regression(dropout=0.3)
    assert fitted(resumed, checkpoint=path) == fitted(whole)
    assert whole.losses == 4 * 7
    assert resumed.losses == 4 * 7 - (2 * 7 + 3)
    assert equal(weights(resumed), weights(whole))


def test_a_fit_goes_on_from_its_best(tmp_path):
    """What early stopping would go back to is kept as well."""
    stops = {"epochs": 9, "patience": 2}
    path, values = tmp_path / "fit.checkpoint", (0.1, 0.5, 0.4, 0.3)
    with pytest.raises(IndexError):
        fitted(Regression(validations=values[:2]), CONFIG.model_copy(update=stops), checkpoint=path)
    resumed, whole = Regression(validations=values[2:]), Regression(validations=values)
    report = fitted(resumed, CONFIG.model_copy(update=stops), checkpoint=path)
    assert report == fitted(whole, CONFIG.model_copy(update=stops))
    assert report.best_epoch == 2
    assert equal(weights(resumed), weights(whole))


def test_a_fit_that_is_done_stays_done(saved):
    """Fitting again costs nothing and gives the same, at whatever distance checkpoints are written."""
    again, whole = Regression(), Regression()
    assert fitted(again, CONFIG.model_copy(update={"checkpoint_every": 1}), checkpoint=saved) == fitted(whole)
    assert again.losses == 0
    assert equal(weights(again), weights(whole))
    assert [path.name for path in saved.parent.iterdir()] == [saved.name]


@pytest.mark.parametrize("end", [0, 10, 40, 5_000, -1])
def test_a_checkpoint_cut_short_is_refused(saved, end):
    """Nothing of it is loaded, and the sentence says the way out."""
    saved.write_bytes(saved.read_bytes()[:end])
    _refused(saved, f"the checkpoint {saved} is cut short or changed: .*; delete it to begin anew")


def test_a_changed_byte_is_refused(saved):
    """Anywhere in it, the weights included."""
    content = bytearray(saved.read_bytes())
    content[len(content) // 2] ^= 1
    saved.write_bytes(content)
    _refused(saved, "is cut short or changed")


@pytest.mark.parametrize(
    ("more", "difference"),
    [
        ({"config": CONFIG.model_copy(update={"learning_rate": 0.5})}, "learning_rate 0.5 but found 0.02"),
        ({"seed": 8}, "seed 8 but found 1"),
        ({"belongs_to": "version 4"}, "belongs_to version 4 but found "),
    ],
)
def test_a_checkpoint_of_another_fit_is_refused(saved, more, difference):
    """Another configuration, seed or source; the sentence says what differs."""
    _refused(saved, f"is of another fit: expected {difference}.*; delete it to begin anew", **more)


def _refused(path, sentence, **more):
    task, before = Regression(), weights(Regression())
    with pytest.raises(InputError, match=sentence):
        fitted(task, checkpoint=path, **more)
    assert equal(weights(task), before)
