"""The steps of the house and the datasets between them."""

from __future__ import annotations

from collections import Counter
from graphlib import TopologicalSorter

import pytest

from daybreak.datasets import DATASETS, DELIVERED
from daybreak.steps import StepConfig, StepSpec, all_steps
from daybreak.targets import load

STEPS = list(all_steps().values())
EVERY_STEP = pytest.mark.parametrize("spec", STEPS, ids=lambda spec: spec.name)


def test_the_house_has_its_steps() -> None:
    """Each folder that has steps is found, in the order of the night."""
    assert {spec.name.split(".")[0] for spec in STEPS} >= {"jobs", "validation", "serving_export"}
    assert len(STEPS) >= 9


def test_every_dataset_has_one_writer() -> None:
    """Two writers of one dataset could not be told apart by their attempts."""
    writers = Counter(dataset.name for spec in STEPS for dataset in spec.writes)
    assert writers == dict.fromkeys(DATASETS, 1)


@EVERY_STEP
def test_what_a_step_reads_is_written_by_some_step(spec: StepSpec) -> None:
    """Nothing is read that no step makes; what is delivered as files is landed by one."""
    written = {dataset.name for each in STEPS for dataset in each.writes}
    assert {dataset.name for dataset in spec.reads} <= written
    assert {dataset.name for dataset in (*spec.reads, *spec.writes)} <= set(DATASETS)


def test_the_steps_have_an_order() -> None:
    """No step needs, even through others, what only a later step makes."""
    makers = {dataset.name: spec.name for spec in STEPS for dataset in spec.writes}
    graph = {
        spec.name: {makers[dataset.name] for dataset in spec.reads if makers[dataset.name] != spec.name}
        for spec in STEPS
    }
    order = list(TopologicalSorter(graph).static_order())
    assert order.index("jobs.ingest") < order.index("serving_export.publish")


@EVERY_STEP
def test_a_step_can_be_loaded_and_configured(spec: StepSpec) -> None:
    """Its target is callable, its configuration is strict, and the day alone is enough to run it."""
    assert callable(load(spec.target))
    config = spec.configure("2026-11-20", {})
    assert isinstance(config, StepConfig)
    assert config.model_config["extra"] == "forbid"
    assert config.model_config["frozen"]
    assert spec.target.split(":")[0] == spec.config.split(":")[0]
    assert spec.name.startswith(spec.target.split(".")[0] + ".")


@pytest.mark.parametrize("name", DATASETS)
def test_every_dataset_and_column_says_what_it_is(name: str) -> None:
    """A sentence for the dataset, words for each column, and a key whose columns are never null, or say what null
    means; what is delivered always tells its key."""
    dataset = DATASETS[name]
    assert dataset.name == name
    assert dataset.doc.endswith(".")
    assert all(column.doc and not column.doc.endswith(".") for column in dataset.columns)
    assert dataset.key
    may_be_null = [column for column in dataset.columns if column.name in dataset.identity and column.nullable]
    assert all("null where" in column.doc for column in may_be_null)
    assert not (dataset.delivery and may_be_null)
    assert dataset.partition[0] == "ds"


def test_what_is_delivered_says_how() -> None:
    """Each delivered dataset tells which column says when a row happened; no other dataset is delivered."""
    assert {dataset.name for dataset in DATASETS.values() if dataset.delivery} == {each.name for each in DELIVERED}
