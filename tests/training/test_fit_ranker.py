"""The ranker from rows to what serves: what it finds, what it may not see, what it says of rows that do not do."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from daybreak.errors import InputError, ModelError
from daybreak.ranking.fitted_ranker import FittedRanker
from tests.training.ranker_days import DAYS, FEATURES, config, rows, written
from training.evaluation.binary import auc
from training.ranker import IDS, RankerReport, fit_ranker, shown
from training.ranker_report import ordering

Fit = tuple[FittedRanker, RankerReport]


@pytest.fixture(scope="module")
def fitted(tmp_path_factory: pytest.TempPathFactory) -> Fit:
    """With everything that a fit can bring."""
    files = written(tmp_path_factory.mktemp("rows"))
    full = config(trees_iterations=20, pruned_share=0.5, pruned_epochs=2)
    return fit_ranker(files, full, seed=5, features=FEATURES)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Fit:
    """The model alone."""
    return fit_ranker(written(tmp_path_factory.mktemp("rows")), config(), seed=5, features=FEATURES)


def test_it_orders_purchases_better_than_the_shelf_and_popularity(fitted: Fit) -> None:
    order = fitted[1].order
    assert set(order.gains) == {"retrieval", "popularity", "trees", "trees_together"}
    assert min(order.gains["retrieval"].low, order.gains["popularity"].low) > 0.1
    assert order.ndcg["ranker"].mean > order.ndcg["trees"].mean - 0.05


def test_each_head_knows_and_means_what_it_says(fitted: Fit) -> None:
    for report in fitted[1].heads.values():
        assert report.calibrated["auc"] > 0.7
        assert report.calibrated["ece_equal_mass"] < 0.1
        assert report.calibrated["auc"] == pytest.approx(report.raw["auc"], abs=1e-9)
        assert report.trees["auc"] > 0.7
        assert report.calibrated_curve.weights.sum() == pytest.approx(report.raw_curve.weights.sum())


def test_lighter_forms_are_smaller_and_rank_nearly_as_well(fitted: Fit) -> None:
    forms = {form.name: form for form in fitted[1].forms}
    assert list(forms) == ["float32", "int8", "pruned", "pruned_int8"]
    assert forms["pruned"].size_bytes < forms["float32"].size_bytes
    assert forms["int8"].quality > forms["float32"].quality * 0.99
    assert forms["pruned"].quality > forms["float32"].quality * 0.95
    assert all(form.microseconds_per_1000_rows > 0 for form in forms.values())
    assert fitted[1].parity < 1e-5


def test_figures_have_names_that_can_be_logged(fitted: Fit) -> None:
    metrics = fitted[1].metrics
    assert all(re.fullmatch(r"[a-z0-9_/]+", name) and np.isfinite(value) for name, value in metrics.items())
    assert {"purchased/calibrated/auc", "ndcg_at_10/ranker_low", "forms/int8/size_bytes"} <= set(metrics)


def test_the_same_seed_gives_the_same_ranker_to_the_byte(tmp_path: Path, plain: Fit) -> None:
    assert fit_ranker(written(tmp_path), config(), seed=5, features=FEATURES)[0] == plain[0]


def test_the_days_to_judge_by_are_not_seen_before(tmp_path: Path, plain: Fit) -> None:
    files = written(tmp_path, {DAYS[-1]: rows(DAYS[-1], seed=99)})
    ranker, report = fit_ranker(files, config(), seed=5, features=FEATURES)
    assert ranker == plain[0]
    assert report.split.test == DAYS[-1:]
    assert report.metrics != plain[1].metrics


def test_a_ranker_that_was_saved_scores_as_it_did(tmp_path: Path, fitted: Fit) -> None:
    ranker = fitted[0]
    ranker.save(tmp_path / "ranker")
    loaded = FittedRanker.load(tmp_path / "ranker")
    assert loaded == ranker
    fresh = rows("2026-11-09")
    for head, chances in ranker.score(fresh).items():
        np.testing.assert_array_equal(chances, loaded.score(fresh)[head])
    assert {path.name for path in (tmp_path / "ranker").iterdir()} == {
        "encoder.json",
        "calibrators.json",
        "config.json",
        "ranker.onnx",
        "ranker_int8.onnx",
        "ranker_pruned.onnx",
        "ranker_pruned_int8.onnx",
    }


def test_it_serves_by_features_alone(plain: Fit) -> None:
    """Neither shelf nor place, neither names nor labels: and the chances still tell purchases apart."""
    fresh = rows("2026-11-09")
    scores = plain[0].score(fresh.select(list(FEATURES)))
    assert list(scores) == ["clicked", "carted", "purchased"]
    assert auc(fresh["purchased"].to_numpy(), scores["purchased"]) > 0.7
    assert plain[0].score(fresh.slice(0, 0))["clicked"].shape == (0,)


def by_ids_alone(name: str) -> pa.Table:
    """Half of the users buy one half of the items, the others the other half, and no feature says so."""
    table = rows(name)
    user, item = (pc.cast(pc.utf8_slice_codeunits(table[key], 1), "int64").to_numpy() for key in IDS)
    likely = np.where((user + item) % 2, 0.6, 0.05)
    for label in ("clicked", "carted", "purchased"):
        place = table.column_names.index(label)
        told = np.random.default_rng([*name.encode(), place]).random(table.num_rows) < likely
        table = table.set_column(place, label, pa.array(told & (table["kind"].to_numpy() == "shown")))
    return table


@pytest.mark.parametrize("options", [{"epochs": 12, "likings_width": 0}, {"epochs": 1, "likings_epochs": 20}])
def test_what_only_ids_tell_is_learned_and_newcomers_are_ranked_without_them(
    tmp_path: Path, options: dict[str, int]
) -> None:
    """By the words of ids where rows are seen often enough, by likings soon."""
    files = written(tmp_path, {name: by_ids_alone(name) for name in DAYS})
    ranker, _ = fit_ranker(files, config(ids=100, **options), seed=5, features=FEATURES)
    asked = by_ids_alone(DAYS[0]).filter(pc.equal(by_ids_alone(DAYS[0])["kind"], "shown"))
    assert auc(asked["purchased"].to_numpy(), ranker.score(asked)["purchased"]) > 0.75
    strangers = asked.set_column(asked.column_names.index("user_id"), "user_id", pa.repeat("u99", asked.num_rows))
    scores = ranker.score(strangers)["purchased"]
    assert np.isfinite(scores).all()
    assert auc(asked["purchased"].to_numpy(), scores) < 0.6


@pytest.mark.parametrize("chained", [True, False])
def test_every_form_has_the_likings(tmp_path: Path, chained: bool) -> None:
    files = written(tmp_path, {name: by_ids_alone(name) for name in DAYS})
    options = config(ids=100, epochs=1, likings_epochs=20, pruned_share=0.5, chained=chained)
    ranker, report = fit_ranker(files, options, seed=5, features=FEATURES)
    asked = by_ids_alone(DAYS[0]).filter(pc.equal(by_ids_alone(DAYS[0])["kind"], "shown"))
    for form in ranker.forms:
        scores = replace(ranker, serves=form).score(asked)["purchased"]
        assert auc(asked["purchased"].to_numpy(), scores) > 0.75, form
    assert report.parity < 1e-4


def test_a_feature_that_is_missing_when_it_serves_is_told(plain: Fit) -> None:
    with pytest.raises(InputError, match="feature item_x__b: the encoder was fitted on a number, found no such column"):
        plain[0].score(rows("2026-11-09").drop_columns(["item_x__b"]))


def test_the_order_of_the_retrieval_is_by_its_score_where_it_has_one() -> None:
    """A score that knows what was bought cannot be beaten; without one the places in the shelf are the order."""
    table = rows(DAYS[0]).append_column("ds", pa.repeat(DAYS[0], rows(DAYS[0]).num_rows))
    table = table.filter(pc.equal(table["kind"], "shown"))
    table = table.append_column("score", table["purchased"].cast("int32"))
    by_place = -table["position"].to_numpy().astype(np.float64)
    scored, placed = (ordering(table, by_place, {}, column, seed=1, draws=50) for column in ("score", None))
    assert scored.ndcg["retrieval"].mean == 1.0
    assert scored.gains["retrieval"].high < 0
    assert placed.gains["retrieval"].mean == 0.0


@pytest.mark.parametrize(("place", "purpose"), [(0, "train on"), (2, "calibrate by"), (3, "test on")])
def test_a_label_of_one_class_is_told_with_its_days(tmp_path: Path, place: int, purpose: str) -> None:
    never = np.zeros(rows(DAYS[0]).num_rows, bool)
    days = [DAYS[0], DAYS[1]] if place == 0 else [DAYS[place]]
    files = written(tmp_path, {day: rows(day, carted=never) for day in days})
    sentence = rf"label carted: the days to {purpose} \({', '.join(days)}\) should have .* found 0 with it among"
    with pytest.raises(InputError, match=sentence):
        fit_ranker(files, config(), seed=5, features=FEATURES)


def test_an_empty_day_is_told(tmp_path: Path) -> None:
    files = written(tmp_path, {DAYS[1]: rows(DAYS[1]).slice(0, 0)})
    with pytest.raises(InputError, match="training rows of 2026-11-02: expected at least one row a day, found none"):
        fit_ranker(files, config(), seed=5, features=FEATURES)


def test_nan_in_a_feature_is_told(tmp_path: Path) -> None:
    bad = rows(DAYS[0])["item_x__b"].to_numpy().copy()
    bad[3] = np.nan
    files = written(tmp_path, {DAYS[0]: rows(DAYS[0], item_x__b=bad)})
    sentence = r"feature item_x__b: .* in 1 rows, the first is row_id 2026-11-01-3 of 2026-11-01;"
    with pytest.raises(InputError, match=sentence):
        fit_ranker(files, config(), seed=5, features=FEATURES)


def test_rows_are_shown_rows_of_the_days_asked_for(tmp_path: Path, plain: Fit) -> None:
    table = shown(written(tmp_path), DAYS[2:3], plain[0].encoder)
    assert set(table["kind"].to_pylist()) == {"shown"}
    assert set(table["ds"].to_pylist()) == {DAYS[2]}


def test_a_folder_that_lacks_a_file_is_told(tmp_path: Path, plain: Fit) -> None:
    plain[0].save(tmp_path)
    (tmp_path / "calibrators.json").unlink()
    with pytest.raises(ModelError, match=r"should hold calibrators.json, found no such file; fetch it again"):
        FittedRanker.load(tmp_path)
