"""A bundle goes into MLflow and comes back the same, or is refused."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import mlflow
import mlflow.pyfunc
import pandas as pd
import pytest

from daybreak.errors import ModelError
from tests.training.registry.toys import ASKED, MODEL, toy
from training.registry.bundle import Bundle
from training.registry.catalogue import Version
from training.registry.loaders import servable
from training.registry.opening import as_default
from training.registry.stored import KEPT_IN_CACHE
from training.registry.versions import Versions

DAY = "2026-11-20"


def learned(versions: Versions, bundle: Bundle, day: str = DAY) -> Version:
    """What a night does with what it learned."""
    with versions.registry.run(MODEL, day) as run:
        return versions.register(run, bundle, ASKED, measures={"ndcg@20": 0.1}, tags={"why": "a night"})


@pytest.fixture
def version(versions: Versions, tmp_path: Path) -> Version:
    return learned(versions, toy(tmp_path / "model"))


def kept(versions: Versions) -> Path:
    """Where MLflow keeps the newest version's bundle."""
    newest = versions.list(MODEL)[0]
    place = versions.registry.client.get_model_version_download_uri(MODEL, str(newest.number))
    return Path(place) / "data" / "bundle"


def test_a_version_tells_what_it_is(versions: Versions, version: Version, tmp_path: Path) -> None:
    """Its tags, its alias, its run, and its measures with the model in MLflow."""
    bundle = toy(tmp_path / "same")
    assert (version.number, version.aliases, version.ds, version.trained_until) == (1, ("challenger",), DAY, DAY)
    assert (version.digest, version.measures, version.why) == (bundle.digest, {"ndcg@20": 0.1}, "a night")
    client = versions.registry.client
    run = client.get_run(version.run_id)
    assert run.data.tags["version"] == "1"
    (made,) = run.outputs.model_outputs
    logged = client.get_logged_model(made.model_id)
    assert (logged.status, logged.model_type) == ("READY", "toy")
    assert [(each.key, each.value) for each in logged.metrics] == [("ndcg_at_20", 0.1)]
    assert client.get_model_version(MODEL, "1").source == f"models:/{made.model_id}"


def test_what_is_fetched_is_what_was_registered(versions: Versions, version: Version, tmp_path: Path) -> None:
    """Into the cache, from which it comes the second time, and the time after something damaged the cache."""
    fetched = versions.fetch(version)
    assert fetched.digest == version.digest
    assert fetched.folder == versions.registry.home / "cache" / MODEL / f"1-{version.digest[:12]}"
    original = servable(toy(tmp_path / "same")).predict(ASKED)
    pd.testing.assert_frame_equal(servable(fetched).predict(ASKED), original)
    inode = (fetched.folder / "model.json").stat().st_ino
    assert (versions.fetch(version).folder / "model.json").stat().st_ino == inode
    (fetched.folder / "arrays" / "scores.npy").write_bytes(b"")
    again = versions.fetch(version)
    assert (again.folder / "model.json").stat().st_ino != inode
    again.verify()
    assert list((versions.registry.home / "scratch").iterdir()) == []


def _lose_a_file(bundle: Path) -> None:
    (bundle / "arrays" / "scores.npy").unlink()


def _cut_a_file(bundle: Path) -> None:
    os.truncate(bundle / "arrays" / "scores.npy", 100)


def _another_model(bundle: Path) -> None:
    shutil.rmtree(bundle)
    toy(bundle, seed=2)


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        (_lose_a_file, r"file arrays/scores\.npy is missing"),
        (_cut_a_file, r"file arrays/scores\.npy has 100 bytes and should have 288"),
        (_another_model, r"it is the model [0-9a-f]{12} and should be [0-9a-f]{12}"),
        (shutil.rmtree, r"MLflow does not give its files \(.* No such artifact: 'bundle'\)"),
    ],
)
def test_a_damaged_version_is_one_sentence(
    versions: Versions, version: Version, damage: Callable[[Path], None], found: str
) -> None:
    """Which version of which model, what is wrong, and the way out; nothing stays in the cache."""
    damage(kept(versions))
    sentence = (
        rf"^version 1 of model {MODEL} cannot be used: {found}; move the alias champion to another version, in MLflow"
        rf" or with `daybreak models roll-back {MODEL} --because …`, or remove it there to train anew, and run the same"
        r" command again$"
    )
    with pytest.raises(ModelError, match=sentence):
        versions.fetch(version)
    assert not list((versions.registry.home / "cache").rglob("model.json"))


def test_the_same_night_again_is_the_same_version(versions: Versions, version: Version, tmp_path: Path) -> None:
    """Unless it learned something else, or what MLflow kept is damaged; another night is another version."""
    assert learned(versions, toy(tmp_path / "again")).number == version.number
    assert learned(versions, toy(tmp_path / "else", seed=2)).number == 2
    assert learned(versions, toy(tmp_path / "again"), day="2026-11-21").number == 3
    _lose_a_file(kept(versions))
    assert learned(versions, toy(tmp_path / "again"), day="2026-11-21").number == 4


def test_the_cache_keeps_the_newest_versions(versions: Versions, tmp_path: Path) -> None:
    """And the one that was asked for."""
    made = [learned(versions, toy(tmp_path / str(seed), seed=seed)) for seed in range(KEPT_IN_CACHE + 2)]
    for version in [*made, made[0]]:
        versions.fetch(version)
    cached = {path.name.partition("-")[0] for path in (versions.registry.home / "cache" / MODEL).glob("[0-9]*")}
    assert cached == {"1", *(str(version.number) for version in made[-KEPT_IN_CACHE:])}


def test_what_cannot_be_used_gets_no_version(versions: Versions, tmp_path: Path) -> None:
    """A kind that nobody can load, or a model that does not say until when it learned."""
    for part, refused in [
        ({"kind": "forest"}, "which nothing here can load"),
        ({"facts": {}}, "does not say until which day it was trained"),
    ]:
        with pytest.raises(ModelError, match=refused):
            learned(versions, toy(tmp_path / refused[:10], **part))
    assert versions.list(MODEL) == []


@pytest.fixture
def asked_by_name(versions: Versions) -> Iterator[None]:
    with as_default(versions.registry.url):
        yield


def test_mlflow_itself_loads_the_champion(
    versions: Versions, version: Version, asked_by_name: None, tmp_path: Path
) -> None:
    """By its alias, without pickles, with what it takes and gives, and an example to try it on."""
    versions.appoint(MODEL, version.number, "the first")
    loaded = mlflow.pyfunc.load_model(f"models:/{MODEL}@champion")
    original = servable(toy(tmp_path / "same")).predict(ASKED)
    pd.testing.assert_frame_equal(loaded.predict(ASKED), original)
    pd.testing.assert_frame_equal(loaded.predict(loaded.input_example), original)
    assert loaded.metadata.get_input_schema().input_names() == ["user_id"]
    assert loaded.metadata.get_output_schema().input_names() == ["user_id", "items"]
    assert not list(kept(versions).parents[1].rglob("*.pkl"))


def test_what_others_do_with_mlflow_stays_theirs(versions: Versions, version: Version) -> None:
    """Registering leaves no MLflow behind as the one of this process."""
    assert version.number == 1
    assert not mlflow.is_tracking_uri_set()
    assert "MLFLOW_TRACKING_URI" not in os.environ
    assert mlflow.active_run() is None
