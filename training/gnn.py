"""Trains the teacher and registers it: which items belong together, learned from the graph of users and items.

Runs where `training/decisions` says so. The last `holdout_days` judge; what was known before them is learned from, and
of that the last `validation_days` choose the settings, within `trials` trials, and whether training goes beyond the
closed form. What is judged is what serves: histories
are asked as of each night, so a model that learned until a few days ago knows what users did since. Logged with its
lineage as a version of the model `gnn`; the gates say whether it becomes the champion. A second run of a night learns
the same model.
"""

from __future__ import annotations

from pydantic import Field

from daybreak.learning import ITEM, USER, Model
from daybreak.step_io import StepIO
from daybreak.steps import Summary
from training.data.ids import id_map
from training.data.wants import Wants, number_of, wants_of
from training.due import due
from training.graph_learning import GraphConfig, Places, learn, log
from training.graph_teacher import read
from training.judging import judged
from training.recording import (
    Checkpoint,
    built_from,
    compared_with,
    curves_into,
    learned_from,
    record,
    standing,
    summary_of,
)
from training.registry.gates import GateLimits, judge
from training.registry.versions import Versions
from training.retrieval import HeldOut, NightView, Scorer, held_out, view_at


class GnnConfig(GraphConfig):
    """How far back wants are learned from, and which days judge."""

    history_days: int = Field(90, ge=7, description="days of wants that are learned from")
    holdout_days: int = Field(2, ge=1, description="last days, which judge and are not learned from")
    validation_days: int = Field(2, ge=1, description="days before those, which choose the settings")
    gates: GateLimits = Field(GateLimits(), description="what a version must keep to, to become champion")


def run(config: GnnConfig, io: StepIO) -> Summary:
    """Learns, judges, registers."""
    decision = due(io, Model.GNN)
    if not decision.train:
        return {"trained": False, "because": decision.because}
    versions = Versions.of(io.settings)
    users, items = id_map(io, USER), id_map(io, ITEM)
    wants = wants_of(io, users, items, config.history_days)
    test = held_out(
        view_at(number_of(config.ds) - config.holdout_days, wants, users, items), wants, config.holdout_days
    )
    params = config.model_dump(mode="json", exclude={"ds"})
    kept = Checkpoint(io, Model.GNN, params, learned_from(io))
    places = Places(kept.path.with_suffix(".choosing.pt"), kept.path, str(learned_from(io)))
    with (
        versions.registry.run(Model.GNN, config.ds, {"because": decision.because}, params) as run,
        io.scratch() as work,
    ):
        champion = _champion(versions, config.ds, test)
        found = learn(config, _chooses(config, wants, test.view), test.view, io.seed, places, curves_into(run))
        judgement = judged(found.model.at(test.view), champion, test, io.seed)
        facts = {"trained_until": config.ds, "learned_until_day": test.view.night, "users": len(users)}
        bundle = found.model.write(work / Model.GNN, Model.GNN, facts, built_from(io))
        gates = judge(judgement.evidence(bundle.size_bytes, knows_newcomers=False), config.gates)
        log(run, found)
        run.table("segments", judgement.segment_rows())
        recorded = record(versions, run, io, bundle, found.model.example(), judgement.metrics, gates, decision.because)
    kept.remove()
    return {"trained": True, **summary_of(recorded, Model.GNN), "ndcg_at_20": round(judgement.metrics["ndcg_at_20"], 4)}


def _chooses(config: GnnConfig, wants: Wants, view: NightView) -> HeldOut:
    """The days before those that judge."""
    known = wants.known_by(view.night)
    earlier = view_at(view.night - config.validation_days, known, view.users, view.items)
    return held_out(earlier, known, config.validation_days)


def _champion(versions: Versions, ds: str, test: HeldOut) -> Scorer | None:
    champion = standing(versions, Model.GNN, ds)
    if champion is None:
        return None
    with compared_with(champion):
        return read(versions.fetch(champion)).at(test.view)
