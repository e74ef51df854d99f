"""Runs the steps of a night without Airflow, and takes the fingerprint of what they left."""

from __future__ import annotations

import shutil
from pathlib import Path

from daybreak.datasets import DATASETS
from daybreak.features.views import VIEWS
from daybreak.lake import Lake
from daybreak.releases import ReleaseStore
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from tests.tiny import TinyWorld, day, deliver, event

STEPS = (
    "jobs.ingest",
    "validation.audit",
    "jobs.partials",
    *(view.made_by for view in VIEWS.values()),
    "training.ids",
    "jobs.training_set",
    "feature_repo.apply",
    "feature_repo.materialize",
    "feature_repo.skew",
    "validation.feature_stats",
    "jobs.popularity",
    "jobs.segments",
    "jobs.trending",
    "jobs.cooccurrence",
    "jobs.bm25",
    "jobs.co_view",
    "jobs.co_purchase",
    "jobs.people_pairs",
    "training.due",
    "training.gnn",
    "training.two_tower",
    "training.ranker",
    "training.people",
    "training.candidates",
    "training.ease",
    "training.tie_order",
    "training.embeddings",
    "indexing.shard",
    "indexing.publish",
    "indexing.candidates",
    "indexing.content",
    "indexing.looks",
    "serving_export.lists",
    "serving_export.gates",
    "serving_export.publish",
    "validation.report",
)
YESTERDAY, TONIGHT = day(2), day(3)
WORLD = TinyWorld(days=4)
REPOSITORY = Path(__file__).resolve().parents[2]


def settings_in(home: Path) -> Settings:
    """The embedded profile, below one folder."""
    return Settings(home=home, surfaces_file=REPOSITORY / "tests" / "e2e" / "surfaces.yaml", spark_memory="1g")


def deliver_world(landing: Path) -> None:
    """Every day of the tiny world; the last brings a late event of the day before and a row to refuse."""
    WORLD.write(landing)
    late = event("late", YESTERDAY, WORLD.user(0, 0), WORLD.item(0, 5))
    refused = event("refused", TONIGHT, WORLD.user(0, 0), WORLD.item(0, 5), "glance")
    deliver(landing, "events", TONIGHT, [late, refused], "part-00001.jsonl")


def copy_of(settings: Settings, place: Path) -> Settings:
    shutil.copytree(settings.root, place / "home")
    return settings_in(place / "home")


def run_night(settings: Settings, ds: str, steps: tuple[str, ...] = STEPS) -> None:
    run_steps([step_named(name) for name in steps], ds, settings)


def digests(settings: Settings, as_of: str) -> dict[tuple[str, str], str]:
    """The digest of every day of every table, as known when night `as_of` had landed."""
    lake = Lake.of(settings)
    found = {}
    for dataset in DATASETS.values():
        table = lake.table(dataset)
        for ds in table.days():
            if ds <= as_of:
                found[dataset.name, ds] = table.digest(ds, as_of=as_of)
    return found


def live(settings: Settings) -> str | None:
    """The live release, proven whole by opening it."""
    store = ReleaseStore(settings.releases)
    return store.current(verify=True).id if store.current_id() else None
