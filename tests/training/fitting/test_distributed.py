"""Processes that fit together come to the model that one alone comes to."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import pytest
import torch

from daybreak.errors import InputError
from tests.training.fitting.toys import CONFIG, Regression, close, equal, fitted, weights
from training.fitting.distributed import Group
from training.fitting.loop import _check


@pytest.mark.slow
def test_two_processes_fit_the_model_of_one(tmp_path):
    """Both have the same weights to the bit, near those of one; the first alone observes and writes checkpoints. The
    last batch has one example, so that one process has nothing to do."""
    path = tmp_path / "fit.checkpoint"
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run(
        [sys.executable, *launch, "-m", "tests.training.fitting.toys", tmp_path, path],
        env={**os.environ, "DROPOUT": "0", "OMP_NUM_THREADS": "1"},
        check=True,
        timeout=300,
    )
    first, second = (torch.load(tmp_path / f"{rank}.pt", weights_only=True) for rank in range(2))
    assert equal(first["weights"], second["weights"])
    alone = Regression()
    expected = fitted(alone)
    assert close(first["weights"], weights(alone))
    assert first["report"]["curves"]["loss"] == pytest.approx(expected.losses, rel=1e-5)
    assert first["report"]["validation"] == second["report"]["validation"]
    assert all(math.isfinite(value) for _, value, _ in first["told"])
    assert {"epoch/loss", "epoch/missed_by", "epoch/validation"} <= {name for name, _, _ in first["told"]}
    assert not second["told"]
    with pytest.raises(InputError, match="processes 1 but found 2"):
        fitted(Regression(), checkpoint=path)


def test_shares_make_up_the_batch():
    """Each example is some process's, and no process has more than one above another."""
    for examples in range(20):
        shares = [Group(rank, 3, torch.device("cpu")).share(examples) for rank in range(3)]
        assert [number for start, end in shares for number in range(start, end)] == list(range(examples))
        assert max(end - start for start, end in shares) - min(end - start for start, end in shares) <= 1


def test_more_processes_than_examples_get_one_sentence():
    """Each must have something to do in the first batch."""
    with pytest.raises(InputError, match=r"a fit by 32 processes needs .* has 97 and 16: start fewer processes"):
        _check(Regression(), CONFIG, Group(0, 32, torch.device("cpu")))
