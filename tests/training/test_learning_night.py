"""A night's learning from its decision to its lists: what is registered and logged, and that it can be repeated."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import mlflow.pyfunc
import pytest

from daybreak.errors import RegistryUnreachable
from daybreak.features.partials import PAIR_DAYS
from daybreak.features.training import RANKER_ROWS
from daybreak.lake import Lake, Window
from daybreak.learning import (
    CHAMPIONS,
    DECISIONS,
    GNN_CANDIDATES,
    ID_ROWS,
    LISTED,
    RANKERS,
    TOWER_CANDIDATES,
    Model,
)
from daybreak.ranking.fitted_ranker import FittedRanker
from daybreak.releases import ReleaseStore
from daybreak.settings import Settings
from tests.tiny import Row, day
from tests.training.homes import copy_of, run_night
from tests.training.learning_homes import EVENING, LEARN, NIGHT, WORLD
from tests.training.worlds import group_of
from training.registry.opening import as_default
from training.registry.versions import Versions

pytestmark = pytest.mark.slow
MODELS = [Model.GNN, Model.TWO_TOWER, Model.RANKER]
WRITTEN = (ID_ROWS, DECISIONS, CHAMPIONS, GNN_CANDIDATES, TOWER_CANDIDATES)


class Logged:
    """What MLflow holds of the run that made a model's first version."""

    def __init__(self, settings: Settings, model: Model) -> None:
        versions = Versions.of(settings)
        self.client = versions.registry.client
        self.version = versions.get(model, 1)
        self.run = self.client.get_run(self.version.run_id)

    def document(self, path: str) -> dict[str, Any]:
        place = Path(self.run.info.artifact_uri) / path
        return dict(json.loads(place.read_bytes()))

    def table(self, name: str) -> list[Row]:
        told = self.document(f"tables/{name}.json")
        return [dict(zip(told["columns"], row, strict=True)) for row in told["data"]]

    def curve(self, name: str) -> list[float]:
        return [point.value for point in self.client.get_metric_history(self.run.info.run_id, name)]


@pytest.fixture(scope="module")
def logged(learned: Settings) -> dict[Model, Logged]:
    return {model: Logged(learned, model) for model in MODELS}


def rows_of(settings: Settings, dataset: Any) -> list[Row]:
    return list(Lake.of(settings).table(dataset).read(Window(day(NIGHT), day(NIGHT))).to_pylist())


@pytest.mark.parametrize("model", MODELS)
def test_each_model_is_registered_and_champion_with_a_reason(learned, model):
    """Of the night, until the night, with what was measured, what each gate said, and why it was trained at all."""
    versions = Versions.of(learned)
    (version,) = versions.list(model)
    assert versions.champion(model, day(NIGHT)).number == version.number == 1
    assert (version.ds, version.trained_until, version.why) == (day(NIGHT), day(NIGHT), "passed every gate")
    assert version.tags["champion_because"] == "passed every gate"
    assert version.tags["trained_because"] == "there is no champion yet"
    assert version.measures["ndcg_at_10" if model is Model.RANKER else "ndcg_at_20"] > 0
    assert {name.partition(".")[2] for name in version.tags if name.startswith("gate.")} >= {
        "comparison",
        "baseline",
        "size",
    }


@pytest.mark.parametrize("model", MODELS)
def test_a_run_tells_from_what_a_version_comes(learned, logged, model):
    """Which version of which table, which code, which digest: in a document, and as datasets of the run."""
    found, lake = logged[model], Lake.of(learned)
    lineage = found.document("lineage.json")
    assert lineage["digest"] == found.version.digest
    assert lineage["code_version"]
    assert lineage["because"] == "there is no champion yet"
    assert lineage["facts"]["trained_until"] == day(NIGHT)
    learned_from = RANKER_ROWS if model is Model.RANKER else PAIR_DAYS
    assert lineage["tables"][learned_from.name] == lake.table(learned_from).version()
    named = {each.dataset.name: each.dataset.digest for each in found.run.inputs.dataset_inputs}
    assert named == {name: f"version {version}" for name, version in lineage["tables"].items()}


@pytest.mark.parametrize("model", MODELS)
def test_a_run_tells_what_the_gates_said(logged, model):
    """A row for each gate, which the version's tags tell too."""
    gates = logged[model].table("gates")
    assert {row["gate"] for row in gates} >= {"comparison", "baseline", "size"}
    assert all(row["passed"] and row["detail"] for row in gates)
    told = {f"gate.{row['gate']}": f"passed: {row['detail']}" for row in gates}
    assert told.items() <= logged[model].version.tags.items()


def test_runs_hold_curves(logged):
    """An epoch's loss at each epoch where a model is fitted by steps, and each trial's measure where it is searched."""
    towers, ranker = logged[Model.TWO_TOWER].curve("epoch/loss"), logged[Model.RANKER].curve("epoch/loss")
    assert (len(towers), len(ranker)) == (8, 4)
    assert towers[-1] < towers[0]
    assert ranker[-1] < ranker[0]
    assert len(logged[Model.GNN].curve("validation_ndcg_at_20")) == 2


def test_runs_hold_measures_by_segment(logged):
    """Of users by history and of items by how much they are wanted."""
    for model in LISTED:
        segments = logged[model].table("segments")
        named = {(row["of"], row["segment"]) for row in segments}
        assert {("history", "heavy"), ("items", "head"), ("items", "cold")} <= named
        assert sum(row["users"] for row in segments if row["of"] == "history") == len(WORLD.users_map)


def test_the_ranker_shows_how_it_is_calibrated(logged):
    """A picture, and each head before and after."""
    found = logged[Model.RANKER]
    (picture,) = found.client.list_artifacts(found.run.info.run_id, "figures")
    assert picture.path == "figures/calibration.png"
    stages = {(row["head"], row["stage"]) for row in found.table("heads")}
    assert stages == {(head, stage) for head in ("clicked", "carted", "purchased") for stage in ("raw", "calibrated")}
    assert {row["by"] for row in found.table("order")} == {"ranker", "retrieval", "popularity"}


@pytest.fixture
def as_mlflow(learned: Settings) -> Iterator[None]:
    """MLflow's own functions ask the registry of the home."""
    with as_default(Versions.of(learned).registry.url):
        yield


@pytest.mark.parametrize("model", MODELS)
def test_versions_tell_what_they_take_and_give(as_mlflow, model):
    """MLflow itself loads each by its alias, and its own example is answered."""
    loaded = mlflow.pyfunc.load_model(f"models:/{model}@champion")
    example = loaded.input_example
    assert loaded.metadata.get_input_schema().input_names() == list(example.columns)
    answer = loaded.predict(example)
    assert loaded.metadata.get_output_schema().input_names() == list(answer.columns)
    assert len(answer) == len(example) > 0


def test_the_champions_list_what_is_right(learned):
    """Users are given their own group by both, and the student lists newcomers among them."""
    listed = {dataset: rows_of(learned, dataset) for dataset in (GNN_CANDIDATES, TOWER_CANDIDATES)}
    for found in listed.values():
        first = {row["query_id"]: row["item_id"] for row in found if row["query"] == "user" and row["rank"] == 0}
        assert {user: group_of(item) for user, item in first.items()} == {user: group_of(user) for user in first}
        assert set(first) == set(WORLD.users_map.ids.to_pylist())
    assert any(WORLD.is_newcomer(row["item_id"]) for row in listed[TOWER_CANDIDATES])
    versions = Versions.of(learned)
    assert {row["model"]: (row["version"], row["digest"]) for row in rows_of(learned, CHAMPIONS)} == {
        model: (1, versions.get(model, 1).digest) for model in (*LISTED, Model.RANKER)
    }


def told(settings: Settings) -> dict[str, Any]:
    """Everything that a repeated night must leave as it is."""
    versions, lake = Versions.of(settings), Lake.of(settings)
    return {
        **{model: [(each.number, each.digest, each.aliases) for each in versions.list(model)] for model in MODELS},
        **{dataset.name: lake.table(dataset).digest(day(NIGHT)) for dataset in WRITTEN},
    }


def test_the_night_again_registers_nothing_and_gives_the_same(learned, tmp_path):
    """Every version, digest and alias, and every table."""
    home = copy_of(learned, tmp_path)
    before = told(home)
    summaries = run_night(home, NIGHT, *EVENING)
    assert [summaries[model]["version"] for model in MODELS] == [1, 1, 1]
    assert told(home) == before


@pytest.mark.parametrize("step", [*LEARN, "candidates"])
def test_an_mlflow_that_is_down_ends_each_step_in_a_sentence(learned, tmp_path, without_plugins, step):
    """It says so, what to do, and that the champion stays; nothing is written."""
    home = copy_of(learned, tmp_path)
    before = told(home)
    down = home.model_copy(update={"mlflow_url": "http://127.0.0.1:1"})
    with pytest.raises(RegistryUnreachable, match=r"MLflow at http://127.0.0.1:1 does not answer \(") as caught:
        run_night(down, NIGHT, step)
    assert "the champion stays as it was; start it or set DAYBREAK_MLFLOW_URL" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert told(home) == before


def test_the_champion_ranker_waits_in_a_release_of_its_own(learned, tmp_path):
    """Who makes lists finds it there by the night's champions, without the registry, and it says what the registry's
    does; a second run of the night makes the same release."""
    home = copy_of(learned, tmp_path)
    released = []
    for _ in range(2):
        run_night(home, NIGHT, "candidates")
        released.append({row["model"]: row["release"] for row in rows_of(home, CHAMPIONS)}[Model.RANKER])
    assert released[0] == released[1]
    release = ReleaseStore(home.releases, RANKERS).open(released[0])
    assert release.is_good
    bundle = Versions.of(home).fetch(Versions.of(home).get(Model.RANKER, 1))
    for name in release.manifest.files:
        assert release.file(name).read_bytes() == (bundle.folder / "files" / name).read_bytes()
    assert FittedRanker.load(release.path).heads == ("clicked", "carted", "purchased")
