"""What every kind of model in the registry keeps to, whatever it is: walked kind by kind, with one way to make each."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import torch
from pydantic import ValidationError

from daybreak.learning import Model
from daybreak.steps import StepConfig, step_named
from daybreak.targets import load
from tests.tiny import day
from tests.training import ranker_days, small_towers
from tests.training.worlds import GroupWorld
from training.evaluation.ranking import Scores
from training.graph_teacher import fitted
from training.models.graph_filter import FilterSettings
from training.ranker import fit_ranker
from training.ranker_step import RankerModel
from training.registry.bundle import Bundle, open_bundle, write_bundle
from training.registry.loaders import LOADERS, Servable, servable
from training.retrieval import Retriever

pytestmark = pytest.mark.slow
FACTS = {"trained_until": day(9)}
TOLERANCE = 1e-3


@dataclass(frozen=True)
class Learned:
    """A model that was just learned. `losses` are those of its epochs and `gap` is how far its export lies from it,
    where it has such; `unknown` are rows of whom it has never met."""

    model: Servable
    bundle: Bundle
    example: pd.DataFrame
    unknown: pd.DataFrame
    losses: tuple[float, ...] = ()
    gap: float | None = None


def a_filter(folder: Path, model_name: Model) -> Learned:
    """In closed form: nothing is drawn, fitted by steps or exported."""
    model = fitted(GroupWorld().view(7), FilterSettings())
    bundle = model.write(folder / model_name, model_name, FACTS, {"attempt": 1})
    return Learned(model, bundle, model.example(), pd.DataFrame({"history": ["nobody knows these", ""]}))


def towers(folder: Path, seed: int) -> Learned:
    by = small_towers.teacher()
    module, report = small_towers.taught(seed, by)
    exported = small_towers.exported(module, folder)
    bundle = small_towers.written(module, exported, folder)
    model = small_towers.served(module, exported)
    example = model.example(small_towers.WORLD.features(7).users)
    unknown = example.assign(history="nobody knows these", user_profile__country="XX", user_activity__views_7d=np.nan)
    return Learned(model, bundle, example, unknown, report.losses, exported.gap)


def a_ranker(folder: Path, seed: int) -> Learned:
    chosen = ranker_days.config(ids=100)
    ranker, report = fit_ranker(ranker_days.written(folder / "rows"), chosen, seed=seed, features=ranker_days.FEATURES)
    ranker.save(folder / "files")
    files = {path.name: path for path in sorted((folder / "files").iterdir())}
    bundle = write_bundle(folder / "ranker", Model.RANKER, chosen.model_dump(mode="json"), FACTS, {}, files)
    example = ranker_days.rows("2026-11-09").select(list(ranker.encoder.columns)).slice(0, 3).to_pandas()
    unknown = example.assign(
        user_x__a=np.nan, user_profile__device="abacus", item_text__text_vector=None, user_id="u-1"
    )
    return Learned(RankerModel(ranker), bundle, example, unknown, report.fit.losses, report.parity)


KINDS: dict[str, Callable[[Path, int], Learned]] = {
    "gnn": lambda folder, seed: a_filter(folder, Model.GNN),
    "two_tower": towers,
    "ranker": a_ranker,
    "people": lambda folder, seed: a_filter(folder, Model.PEOPLE),
}
"""How a small model of each kind is learned from a seed, into a folder."""


@pytest.fixture(scope="module", params=sorted(LOADERS))
def kind(request: pytest.FixtureRequest) -> str:
    if request.param not in KINDS:
        pytest.fail(
            f"nothing here can make a model of the kind '{request.param}', which {LOADERS[request.param]} loads:"
            " add a function that learns a small one to KINDS, so that it is held to what all kinds keep to"
        )
    return str(request.param)


@pytest.fixture(scope="module")
def learned(kind: str, tmp_path_factory: pytest.TempPathFactory) -> Learned:
    torch.set_num_threads(1)
    return KINDS[kind](tmp_path_factory.mktemp(kind), 5)


def numbers_of(answers: pd.DataFrame) -> np.ndarray:
    """All numbers in the answers; of lists of ids there are none."""
    columns = [answers[name] for name in answers if not isinstance(answers[name].iloc[0], str)]
    return np.concatenate([np.ravel(np.stack(list(column))) for column in columns]) if columns else np.zeros(0)


def test_every_kind_that_is_made_here_can_be_loaded():
    """Nothing is made here that the registry does not know."""
    assert set(KINDS) <= set(LOADERS)
    assert set(LOADERS) == {model.value for model in Model}


def test_its_configuration_goes_round(kind):
    """As plain values and as JSON it comes back equal, with the same digest; a key that is unknown is refused."""
    configuration: type[StepConfig] = load(step_named(f"training.{kind}").config)
    config = configuration(ds=day(9))
    plain: dict[str, Any] = config.model_dump(mode="json")
    for again in (configuration(**plain), configuration.model_validate_json(config.model_dump_json())):
        assert again == config
        assert again.digest() == config.digest()
    with pytest.raises(ValidationError, match="tempo"):
        configuration(**plain, tempo=3)
    with pytest.raises(ValidationError, match="frozen"):
        config.ds = day(1)


def test_one_seed_gives_one_model(kind, learned, tmp_path):
    """To the byte: the digest tells, which does not know where or by which attempt the bundle was written."""
    assert KINDS[kind](tmp_path, 5).bundle.digest == learned.bundle.digest


def test_it_learns(learned):
    """Where a model is fitted by steps its loss ends well below where it began."""
    if learned.losses:
        assert learned.losses[-1] < 0.9 * learned.losses[0]
        assert np.isfinite(learned.losses).all()


def test_what_was_written_answers_as_what_was_learned(kind, learned):
    """Found by its loader, whole; row by row the same answers to the bit."""
    bundle = open_bundle(learned.bundle.folder)
    assert bundle.kind == kind
    loaded = servable(bundle)
    assert type(loaded) is type(learned.model)
    expected = learned.model.predict(learned.example)
    assert len(expected) == len(learned.example) > 1
    pd.testing.assert_frame_equal(loaded.predict(learned.example), expected)


def test_what_was_exported_says_what_was_learned(learned):
    """Where a model serves as an export, the two lie within the limit that the gates set."""
    serves_exported = any(name.endswith(".onnx") for name in learned.bundle.entries)
    assert serves_exported is (learned.gap is not None)
    assert (learned.gap or 0.0) < TOLERANCE


def test_whom_it_has_never_met_it_answers_or_leaves_out(learned):
    """Numbers that are numbers, or an empty list: never a guess that looks like an answer, and never an error."""
    loaded = servable(open_bundle(learned.bundle.folder))
    answers = loaded.predict(learned.unknown)
    assert len(answers) == len(learned.unknown)
    assert np.isfinite(numbers_of(answers)).all()
    lists = [answers[name] for name in answers if isinstance(answers[name].iloc[0], str)]
    assert all(not text for column in lists for text in column)


def test_an_item_that_it_has_never_met_has_a_score_or_is_never_listed(kind, learned):
    """Of those that list: on a night with newer items each of them is finite, or minus infinity, for everybody."""
    if not hasattr(learned.model, "at"):
        pytest.skip("it does not list")
    retriever: Retriever = learned.model
    later = GroupWorld(newcomers=6)
    rows = later.items_map.rows(pa.array([later.item(group, 45) for group in range(3)]))
    scorer = retriever.at(later.view(7, with_features=True))
    for scores in (scorer.for_users(np.arange(24)), scorer.for_items(rows)):
        assert_scores(scores[:, rows])
        assert_scores(scores)


def assert_scores(scores: Scores) -> None:
    assert not np.isnan(scores).any()
    assert not np.isposinf(scores).any()
