"""Forms of a model beside the module they come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from daybreak.errors import InputError, ModelError
from daybreak.ranking.session import Session
from tests.training.export.toys import ranker, ranker_inputs, size
from training.export.onnx_export import drawn, export, parity
from training.export.quantize import quantize


@pytest.fixture(scope="module")
def given() -> dict[str, NDArray[Any]]:
    return {name: values.numpy() for name, values in ranker_inputs().items()}


@pytest.mark.parametrize("mixing", ["mmoe", "ple"])
def test_the_ranker_answers_as_in_torch(tmp_path: Path, exported: Path, mixing: str) -> None:
    """Also on fresh rows, in batches of sizes that it was not exported with."""
    module, inputs, path = ranker(mixing), ranker_inputs(), exported
    if mixing == "ple":
        path = tmp_path / "m.onnx"
        assert export(module, inputs, path) < 1e-5
    session = Session(path)
    assert session.inputs == ("numbers", "words", "vectors")
    for rows in (1, 3, 700):
        fresh = drawn(inputs, rows, seed=rows)
        with torch.no_grad():
            expected = module(*fresh.values()).numpy()
        np.testing.assert_allclose(session.run({n: v.numpy() for n, v in fresh.items()}), expected, atol=1e-5)


def test_equal_modules_give_equal_bytes_that_name_no_machine(tmp_path: Path, exported: Path) -> None:
    export(ranker(), ranker_inputs(), tmp_path / "again.onnx")
    content = exported.read_bytes()
    assert content == (tmp_path / "again.onnx").read_bytes()
    assert not any(name in content for name in (b"stack_trace", b".py", str(Path(__file__).parents[3]).encode()))


def test_a_model_that_answers_otherwise_is_refused(exported: Path) -> None:
    module = ranker()
    module.chained = False
    parity(module, exported, ranker_inputs(), tolerance=100)
    with pytest.raises(ModelError, match=r"model m.onnx: .* to within 0.001, found [\d.]+ between them; keep serving"):
        parity(module, exported, ranker_inputs())


def test_drawn_words_stay_among_those_of_the_examples() -> None:
    words = drawn(ranker_inputs(), 2_000, seed=1)["words"]
    assert words.amin(dim=0).tolist() == [0, 0]
    assert words.amax(dim=0).tolist() == [3, 8]


def test_whole_number_weights_are_smaller_and_answer_nearly_the_same(
    tmp_path: Path, exported: Path, given: dict[str, NDArray[Any]]
) -> None:
    light = quantize(exported, tmp_path / "light.onnx")
    assert size(light) < size(exported) / 2
    exact, close = Session(exported).run(given), Session(light).run(given)
    assert np.abs(exact - close).max() < 0.05
    assert np.corrcoef(exact.ravel(), close.ravel())[0, 1] > 0.999


def test_rows_some_at_a_time_give_what_all_at_once_give(exported: Path, given: dict[str, NDArray[Any]]) -> None:
    session = Session(exported, threads=2)
    np.testing.assert_allclose(session.run(given, rows_at_once=7), session.run(given), atol=1e-5)
    assert session.run({name: values[:0] for name, values in given.items()}).shape == (0, 3)


def test_what_a_model_cannot_take_is_told_in_one_sentence(exported: Path, given: dict[str, NDArray[Any]]) -> None:
    session = Session(exported)
    with pytest.raises(InputError, match="the model takes numbers, words, vectors, found no words; give it all"):
        session.run({name: given[name] for name in ("numbers", "vectors")})
    with pytest.raises(InputError, match="the model takes numbers as float32, found float64; convert it first"):
        session.run(given | {"numbers": given["numbers"].astype(np.float64)})
    with pytest.raises(InputError, match=r"as many rows of each input, found .*'numbers': 200, 'words': 199"):
        session.run(given | {"words": given["words"][1:]})


def test_a_file_that_is_no_model_is_told_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(b"not a model")
    with pytest.raises(ModelError, match=r"model m.onnx: expected one that ONNX Runtime can run, .* fetch it again"):
        Session(tmp_path / "m.onnx")
