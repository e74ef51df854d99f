"""What a night cannot learn from: each step ends with one sentence that says where, and the champion stays."""

from __future__ import annotations

import logging
import os
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from daybreak.errors import DaybreakError, InputError, LakeError, ModelError
from daybreak.features.partials import PAIR_DAYS
from daybreak.features.training import RANKER_ROWS
from daybreak.features.views import VIEWS
from daybreak.lake import Lake, Window
from daybreak.learning import ID_ROWS, Model
from daybreak.settings import Settings
from tests.lake import put, put_days
from tests.tiny import Row, day
from tests.training.homes import copy_of, run_night
from tests.training.learning_homes import NIGHT, ROW_DAYS, WORLD, put_rows, rows
from training.fitting.ranker_task import RankerTask
from training.models.two_tower import TwoTower
from training.registry.versions import Versions

pytestmark = pytest.mark.slow
NEXT = NIGHT + 1
LAST_ROWS = max(ROW_DAYS)
PLACES = (
    "experiments.artifact_location",
    "runs.artifact_uri",
    "model_versions.storage_location",
    "logged_models.artifact_location",
)
"""Where MLflow notes in which folder it keeps files."""


@pytest.fixture
def home(learned: Settings, tmp_path: Path) -> Settings:
    """A home of its own, files of MLflow included, on whose night all models are asked to learn anew."""
    settings = copy_of(learned, tmp_path)
    database = settings.mlflow_home / "mlflow.db"
    with sqlite3.connect(database) as connection:
        for place in PLACES:
            table, _, column = place.partition(".")
            change = f"UPDATE {table} SET {column} = REPLACE({column}, ?, ?)"
            connection.execute(change, (str(learned.root), str(settings.root)))
    return settings


@pytest.fixture
def tomorrow(home: Settings) -> Settings:
    """The same a night later, on which nobody wanted anything; each model has a champion to be judged beside."""
    lake = Lake.of(home)
    put_days(lake, PAIR_DAYS, {day(NEXT): []})
    put_days(lake, ID_ROWS, {day(NEXT): []})
    put_rows(lake, {LAST_ROWS + 1: rows(LAST_ROWS + 1)})
    WORLD.put_features(lake, [NEXT - 2])
    run_night(home, NEXT, "due", asked="a test")
    return home


def states(settings: Settings) -> dict[str, Any]:
    """Every version and its aliases."""
    versions = Versions.of(settings)
    return {model: [(each.number, each.digest, each.aliases) for each in versions.list(model)] for model in Model}


def stopped(settings: Settings, step: str, error: type[DaybreakError], match: str, night: int = NIGHT) -> None:
    """The step ends with one sentence, and every version and alias is as it was."""
    before = states(settings)
    with pytest.raises(error, match=match) as caught:
        run_night(settings, night, step)
    assert "\n" not in str(caught.value)
    assert states(settings) == before


def spoilt(number: int, **changes: Any) -> list[Row]:
    """A day's rows of which the fourth is changed."""
    told = rows(number)
    told[3] |= changes
    return told


def test_days_that_nobody_wanted_anything_on_cannot_judge(home):
    """The days held out, and which job makes them."""
    put_days(Lake.of(home), PAIR_DAYS, {day(NIGHT - 1): [], day(NIGHT): []})
    sentence = (
        rf"nobody wanted anything new from {day(NIGHT - 1)} to {day(NIGHT)}, so these days cannot judge what was"
        rf" learned until {day(NIGHT - 2)}; land them and run jobs.partials"
    )
    for step in ("gnn", "two_tower"):
        stopped(home, step, InputError, sentence)


def test_too_few_days_of_training_rows_wait(home):
    """Where only two have rows nothing is learned, and the decision says for what it waits."""
    put_rows(Lake.of(home), {number: [] for number in list(ROW_DAYS)[2:]})
    before = states(home)
    run_night(home, NIGHT, "due")
    waits = "waits: there are 2 days of training rows, and 3 are needed"
    assert run_night(home, NIGHT, "ranker")["ranker"] == {"trained": False, "because": waits}
    assert states(home) == before


def test_a_label_of_one_class_is_told(home):
    """Which label, of which days, and how often it was found."""
    put_rows(Lake.of(home), {LAST_ROWS: rows(LAST_ROWS, purchased=False)})
    sentence = rf"label purchased: the days to test on \({day(LAST_ROWS)}\) should have shown rows .* found 0 with it"
    stopped(home, "ranker", InputError, sentence)


def test_nan_in_a_training_row_is_told(home):
    """Which feature, of which row, of which day."""
    put_rows(Lake.of(home), {2: spoilt(2, user_category__affinity=float("nan"))})
    sentence = rf"feature user_category__affinity: .* in 1 rows, the first is row_id 2-u0-0-3 of {day(2)}; mend the job"
    stopped(home, "ranker", InputError, sentence)


@pytest.mark.parametrize(
    ("view", "key", "column", "value"),
    [
        ("item_catalogue", "item_id", "price", float("nan")),
        ("item_text", "item_id", "text_vector", [0.0, float("inf"), 0.0, 0.0]),
        ("user_activity", "user_id", "click_rate_7d", float("inf")),
    ],
)
def test_nan_in_a_feature_of_the_towers_is_told(home, view, key, column, value):
    """Which column of which table, as which night knows it, of which user or item, and the job that makes it."""
    lake, night = Lake.of(home), NIGHT - 2
    dataset = VIEWS[view].dataset
    held = lake.table(dataset).read(Window(day(night), day(night))).to_pylist()
    stamp = f"{day(night)}T23:00:00Z"
    told = held or [{key: WORLD.item(0, 0), "event_ts": stamp, "available_ts": stamp}]
    spoilt_row, *others = [row | {"ds": day(night)} for row in told]
    put(lake, dataset, day(night), [spoilt_row | {column: value}, *others])
    sentence = (
        rf"^features/{view}, as night {day(night)} knows it, holds NaN or infinity in the column {column} of 1 rows,"
        rf" the first of {key} {spoilt_row[key]}, .* run jobs.{view} for that night again$"
    )
    stopped(home, "two_tower", InputError, sentence)


def another_world(settings: Settings) -> None:
    """The lake knows other items than the champions do."""
    told = Lake.of(settings).table(ID_ROWS).read(Window(None, day(NEXT))).to_pylist()
    other = [row | {"entity_id": f"x{row['entity_id']}"} for row in told if row["entity"] == "item"]
    users = [row for row in told if row["entity"] == "user"]
    put(Lake.of(settings), ID_ROWS, day(0), [{**row, "ds": day(0)} for row in (*users, *other)])
    pairs = Lake.of(settings).table(PAIR_DAYS).read(Window(None, day(NEXT))).to_pylist()
    nights: dict[str, list[Row]] = {}
    for row in pairs:
        nights.setdefault(str(row["ds"]), []).append(row | {"item_id": f"x{row['item_id']}"})
    put_days(Lake.of(settings), PAIR_DAYS, nights)


@pytest.mark.parametrize(("step", "whose"), [("gnn", "the teacher"), ("two_tower", "the student")])
def test_a_champion_of_another_world_is_told_with_the_way_out(tomorrow, step, whose):
    """Once its alias is removed, as the sentence says, the model is learned for this world."""
    another_world(tomorrow)
    sentence = rf"^{whose} knows 132 ids, of which only 0 are known here: .* or remove its alias champion in MLflow"
    stopped(tomorrow, step, ModelError, sentence, NEXT)
    for model in (Model.GNN, Model.TWO_TOWER):
        Versions.of(tomorrow).registry.client.delete_registered_model_alias(model, "champion")
    run_night(tomorrow, NEXT, "due")
    assert run_night(tomorrow, NEXT, step)[step]["trained"]


def lose(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("model", "file", "damage", "found"),
    [
        (Model.GNN, "arrays/items.npy", lose, "is missing"),
        (Model.TWO_TOWER, "files/users.onnx", cut, r"has \d+ bytes and should have \d+"),
        (Model.RANKER, "files/calibrators.json", flip, "does not match model.json"),
    ],
)
def test_a_champion_that_does_not_load_is_told_before_anything_is_learned(tomorrow, model, file, damage, found):
    """Which version of which model, which file of it, and the way out; nothing was fitted yet."""
    for bundle in tomorrow.mlflow_home.rglob("model.json"):
        if (bundle.parent / file).is_file():
            damage(bundle.parent / file)
    sentence = rf"version 1 of model {model} cannot be used: .*file {file} {found}; move the alias champion to another"
    stopped(tomorrow, model, ModelError, sentence, NEXT)


def test_a_champion_that_asks_for_what_rows_no_longer_have_is_told(tomorrow, monkeypatch):
    """Which feature it misses, and that removing its alias lets the challenger in."""
    monkeypatch.setattr("training.ranker_step.shown", without("user_category__affinity"))
    sentence = (
        "^version 1 of model ranker, the champion, cannot be asked about the days that judge its challenger: .*"
        "user_category__affinity.* or remove its alias champion in MLflow"
    )
    stopped(tomorrow, "ranker", ModelError, sentence, NEXT)


def without(feature: str) -> Callable[..., Any]:
    """Rows to judge by that lack a feature for the champion alone, which is asked last."""
    from training.ranker import shown

    asked = []

    def looked(*arguments: Any) -> Any:
        asked.append(1)
        found = shown(*arguments)
        return found.drop_columns([feature]) if len(asked) == 3 else found

    return looked


@pytest.mark.parametrize("model", [Model.TWO_TOWER, Model.RANKER])
def test_a_checkpoint_cut_short_is_told(home, model, monkeypatch):
    """Its path and the way out."""
    place = interrupted(home, model, monkeypatch)
    os.truncate(place, 100)
    stopped(home, model, InputError, rf"the checkpoint {place} is cut short or changed: .* delete it to begin anew")


@pytest.mark.parametrize("model", [Model.TWO_TOWER, Model.RANKER])
def test_an_interrupted_night_goes_on_and_learns_the_same(home, model, monkeypatch):
    """Also where the decision was made again, as it is when the task is tried again: the same version, and of the
    epochs only the later ones are seen."""
    place = interrupted(home, model, monkeypatch)
    summaries = run_night(home, NIGHT, "due", model)
    assert summaries[model]["version"] == 1
    assert not place.exists()
    assert epochs_of_last_run(home, model)[0] > 1


def test_a_day_without_rows_is_left_out_and_a_fit_with_it_is_taken_up_by_nobody(home, monkeypatch):
    """What was fitted on other rows stops nobody: the night begins anew, and learns from the days that have rows."""
    place = interrupted(home, Model.RANKER, monkeypatch)
    put_rows(Lake.of(home), {2: []})
    assert run_night(home, NIGHT, "ranker")["ranker"]["trained"]
    assert epochs_of_last_run(home, Model.RANKER)[0] == 1
    assert not place.exists()


def interrupted(settings: Settings, model: Model, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Learning ends after the first epochs; where it left its checkpoint."""
    step = "training.ranker_step" if model is Model.RANKER else "training.two_tower"

    def dies(run: Any) -> Callable[[str, float, int], None]:
        def observe(name: str, value: float, number: int) -> None:
            if name == "epoch/loss" and number == 3:
                raise KeyboardInterrupt

        return observe

    with monkeypatch.context() as patched:
        patched.setattr(f"{step}.curves_into", dies)
        with pytest.raises(KeyboardInterrupt):
            run_night(settings, NIGHT, model)
    (place,) = (settings.scratch / "checkpoints").glob(f"{model}-*.pt")
    return place


def epochs_of_last_run(settings: Settings, model: Model) -> list[int]:
    """The epochs whose losses the newest run holds."""
    client = Versions.of(settings).registry.client
    experiment = client.get_experiment_by_name(model)
    newest = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time DESC"], max_results=1)[0]
    return [point.step for point in client.get_metric_history(newest.info.run_id, "epoch/loss")]


def test_memory_that_runs_out_is_said_once_and_the_same_is_learned(home, monkeypatch, caplog):
    """The ranker's batches of 64 are computed 16 at a time, which the run tells too."""
    loss = RankerTask.loss

    def crowded(task: RankerTask, batch: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        if len(batch["labels"]) > 16:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nSee the manual.")
        return loss(task, batch)

    monkeypatch.setattr(RankerTask, "loss", crowded)
    with caplog.at_level(logging.WARNING, "daybreak.fitting"):
        summary = run_night(home, NIGHT, "ranker")["ranker"]
    said = [record.getMessage() for record in caplog.records if record.name == "daybreak.fitting"]
    assert [words.partition(" ")[0] for words in said] == ["64", "32"]
    assert said[-1].endswith("from now on 16 at once")
    assert summary["ndcg_at_10"] == pytest.approx(first_measured(home), abs=0.05)


def first_measured(settings: Settings) -> float:
    return Versions.of(settings).get(Model.RANKER, 1).measures["ndcg_at_10"]


def test_a_device_too_small_for_the_weights_is_one_sentence(home, monkeypatch):
    """Smaller batches are no help there."""

    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB.\nSee the manual.")

    monkeypatch.setattr(TwoTower, "to", full)
    stopped(home, "two_tower", InputError, r"does not fit the device: .*CUDA out of memory.*; take a smaller module")


def test_a_file_of_training_rows_that_was_cut_is_told(home):
    """Of which day, and what makes it again."""
    table = Lake.of(home).table(RANKER_ROWS)
    paths = table.local_paths(table.files(Window(day(2), day(2)), table.version()))[1]
    cut(Path(paths[0]))
    stopped(home, "ranker", LakeError, rf"training rows of {day(2)}: a file cannot be read .* run jobs.training_set")
