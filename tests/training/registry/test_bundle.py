"""A model on disk is whole or refused, and its digest tells what it is."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daybreak.errors import ModelError
from tests.daybreak.children import kill_at, points_of
from tests.training.registry.toys import ASKED, Toy, toy
from training.registry.bundle import open_bundle
from training.registry.loaders import servable


def test_what_is_written_is_what_is_opened(tmp_path: Path) -> None:
    """Arrays of every plain type, bit for bit; configuration, facts, files and size."""
    arrays = {
        "user.weight": np.arange(12, dtype=np.float32).reshape(3, 4).T,
        "ids": np.array(["u1", "u22"]),
        "scale": np.float64(0.5),
        "none": np.zeros((0, 4), dtype=np.int8),
    }
    export = tmp_path / "export"
    export.write_bytes(b"an export")
    written = toy(tmp_path / "model", arrays=arrays, files={"model.onnx": export})
    opened = open_bundle(tmp_path / "model")
    assert opened == written
    assert opened.arrays == ["ids", "none", "scale", "user.weight"]
    for name, array in arrays.items():
        for in_memory in (True, False):
            found = opened.array(name, in_memory=in_memory)
            assert (found.dtype, found.shape) == (np.asarray(array).dtype, np.shape(array))
            assert np.array_equal(found, array)
    assert opened.path("model.onnx").read_bytes() == b"an export"
    assert opened.size_bytes == sum(
        path.stat().st_size for path in opened.folder.rglob("*") if path.is_file() and path.name != "model.json"
    )
    assert opened.config["towers"] == {"memory": 64}


def test_the_digest_depends_on_the_model_alone(tmp_path: Path) -> None:
    """Not on place, time, order, memory layout, nor on what it was built from."""
    first = toy(tmp_path / "first")
    time.sleep(0.02)
    other_order = {"towers": {"memory": 64}, "k": 3}
    same = [
        toy(tmp_path / "elsewhere" / "second"),
        toy(tmp_path / "third", config=other_order, built_from={"code_version": "bar"}),
        toy(tmp_path / "fourth", arrays={"scores": np.repeat(first.array("scores"), 2)[::2]}),
    ]
    assert {each.digest for each in same} == {first.digest}


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 2},
        {"kind": "ranker"},
        {"config": {"k": 4}},
        {"facts": {"trained_until": "2026-11-21"}},
        {"arrays": {"scores": np.zeros(20), "more": np.zeros(1)}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_another_model_has_another_digest(tmp_path: Path, changes: dict[str, Any]) -> None:
    """Whatever of it differs."""
    assert toy(tmp_path / "one").digest != toy(tmp_path / "other", **changes).digest


def test_a_further_file_is_part_of_the_digest(tmp_path: Path) -> None:
    """An export that says other things makes another model."""
    digests = set()
    for content in ("one", "two"):
        export = tmp_path / f"{content}.onnx"
        export.write_text(content)
        digests.add(toy(tmp_path / content, files={"model.onnx": export}).digest)
    assert len(digests) == 2


def _cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (Path.unlink, r"file arrays/scores\.npy is missing"),
        (_cut, r"file arrays/scores\.npy has 287 bytes and should have 288"),
        (_flip, r"the checksum of file arrays/scores\.npy does not match model\.json"),
    ],
)
def test_a_damaged_file_is_one_sentence(tmp_path: Path, damage: Callable[[Path], None], found: str) -> None:
    """Which model, which file, what is wrong with it, what to do."""
    bundle = toy(tmp_path / "model")
    damage(bundle.folder / "arrays" / "scores.npy")
    with pytest.raises(ModelError, match=rf"^the model in .*model cannot be used: {found}; fetch it again, or train"):
        open_bundle(bundle.folder)
    assert open_bundle(bundle.folder, verify=False).digest == bundle.digest


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (None, r"it has no model\.json"),
        ("{", r"its model\.json cannot be read"),
        ("[]", r"its model\.json cannot be read"),
        ('{"format": 2}', r"its format is 2, this program reads 1"),
    ],
)
def test_a_damaged_document_is_one_sentence(tmp_path: Path, content: str | None, found: str) -> None:
    """Missing, cut short, of another kind, or of another time."""
    document = toy(tmp_path / "model").folder / "model.json"
    document.unlink() if content is None else document.write_text(content)
    with pytest.raises(ModelError, match=found):
        open_bundle(tmp_path / "model")


def test_a_changed_document_is_refused(tmp_path: Path) -> None:
    """Also without looking at the files."""
    document = toy(tmp_path / "model").folder / "model.json"
    document.write_text(document.read_text().replace("2026-11-20", "2026-11-19"))
    with pytest.raises(ModelError, match=r"its model\.json was changed after it was written"):
        open_bundle(tmp_path / "model", verify=False)


def test_what_cannot_be_kept_is_refused_and_leaves_nothing(tmp_path: Path) -> None:
    """Objects would need pickles; NaN is no fact; a name must not lead out of the folder."""
    for part, refused in [
        ({"arrays": {"x": np.array([{}], dtype=object)}}, "array x cannot be kept in a model"),
        ({"facts": {"ndcg": float("nan")}}, "configuration and facts must be plain values"),
        ({"arrays": {"../x": np.zeros(1)}}, r"'\.\./x' cannot name a part of a model"),
    ]:
        with pytest.raises(ModelError, match=refused):
            toy(tmp_path / "model", **part)
    assert list(tmp_path.iterdir()) == []


def test_a_model_is_written_once(tmp_path: Path) -> None:
    """The same again changes nothing, another one is refused, and one that is not whole is made anew."""
    first = toy(tmp_path / "model")
    before = (first.folder / "model.json").stat().st_ino
    assert toy(tmp_path / "model").digest == first.digest
    assert (first.folder / "model.json").stat().st_ino == before
    with pytest.raises(ModelError, match=r"holds another model .* give each model a folder of its own"):
        toy(tmp_path / "model", seed=2)
    _cut(first.folder / "arrays" / "scores.npy")
    assert open_bundle(toy(tmp_path / "model").folder).digest == first.digest


def test_what_is_not_in_it_is_told_with_what_is(tmp_path: Path) -> None:
    """For arrays and files."""
    bundle = toy(tmp_path / "model")
    with pytest.raises(ModelError, match=r"holds no array users; it holds: arrays/scores\.npy"):
        bundle.array("users")
    with pytest.raises(ModelError, match=r"holds no file model\.onnx"):
        bundle.path("model.onnx")


def test_a_kind_is_loaded_by_its_name(tmp_path: Path) -> None:
    """A kind that nobody can load is told with those that are known."""
    model = servable(toy(tmp_path / "model"))
    assert isinstance(model, Toy)
    assert len(model.predict(ASKED)["items"].iloc[0]) == 3
    with pytest.raises(ModelError, match=r"of the kind 'forest', which nothing here can load \(known: .*toy"):
        servable(toy(tmp_path / "other", kind="forest"))


def _write(folder: Path) -> None:
    toy(folder / "model")


@pytest.mark.slow
def test_a_writer_that_is_killed_leaves_a_whole_model_or_none(tmp_path: Path) -> None:
    """At moments spread over the writing; the next writer finishes, and nothing is left lying about."""
    for moment in points_of(_write, tmp_path / "measured", 8):
        folder = tmp_path / str(moment)
        folder.mkdir()
        kill_at(moment, _write, folder)
        if (folder / "model").exists():
            open_bundle(folder / "model")
        _write(folder)
        open_bundle(folder / "model")
        assert [path.name for path in folder.iterdir()] == ["model"]
