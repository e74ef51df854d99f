"""Trains the teacher and registers it: which items belong together, learned from the graph of users and items.

Runs where `training/decisions` says so. The last `holdout_days` judge; what was known before them is learned from, and
of that the last `validation_days` choose the settings, within `trials` trials. What is judged is what serves: histories
are asked as of each night, so a model that learned until a few days ago knows what users did since. Logged with its
lineage as a version of the model `gnn`; the gates say whether it becomes the champion. A second run of a night learns
the same model.
"""

from __future__ import annotations

from pydantic import Field

from daybreak.learning import ITEM, USER, Model
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from training.data.ids import id_map
from training.data.wants import Wants, number_of, wants_of
from training.due import due
from training.graph_teacher import SEARCH, START, Choice, choose, fitted
from training.judging import Judgement, judged
from training.recording import built_from, record, standing, summary_of
from training.registry.gates import GateLimits, judge
from training.registry.tracking import Run
from training.registry.versions import Versions
from training.retrieval import HeldOut, NightView, Scorer, held_out, view_at
from training.teachers import read


class GnnConfig(StepConfig):
    """How far back wants are learned from, which days judge, and how long settings are searched for."""

    history_days: int = Field(90, ge=7, description="days of wants that are learned from")
    holdout_days: int = Field(2, ge=1, description="last days, which judge and are not learned from")
    validation_days: int = Field(2, ge=1, description="days before those, which choose the settings")
    trials: int = Field(16, ge=1, description="settings that are tried at most")
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
    with (
        versions.registry.run(Model.GNN, config.ds, {"because": decision.because}, params) as run,
        io.scratch() as work,
    ):
        choice = _chosen(config, wants, test.view)
        model = fitted(test.view, choice.settings)
        judgement = judged(model.at(test.view), _champion(versions, config.ds, test), test, io.seed)
        facts = {"trained_until": config.ds, "learned_until_day": test.view.night, "users": len(users)}
        bundle = model.write(work / Model.GNN, facts, built_from(io))
        gates = judge(judgement.evidence(bundle.size_bytes, knows_newcomers=False), config.gates)
        _log(run, choice, judgement)
        recorded = record(versions, run, io, bundle, model.example(), judgement.metrics, gates, decision.because)
    return {"trained": True, **summary_of(recorded, Model.GNN), "ndcg_at_20": round(judgement.metrics["ndcg_at_20"], 4)}


def _chosen(config: GnnConfig, wants: Wants, view: NightView) -> Choice:
    """The settings that served best on the days before those that judge."""
    known = wants.known_by(view.night)
    earlier = view_at(view.night - config.validation_days, known, view.users, view.items)
    return choose(held_out(earlier, known, config.validation_days), START, config.trials, SEARCH)


def _champion(versions: Versions, ds: str, test: HeldOut) -> Scorer | None:
    champion = standing(versions, Model.GNN, ds)
    return read(versions.fetch(champion)).at(test.view) if champion else None


def _log(run: Run, choice: Choice, judgement: Judgement) -> None:
    for number, (_, value) in enumerate(choice.tried):
        run.metric("validation_ndcg_at_20", value, step=number)
    run.params({"chosen": choice.settings.model_dump(mode="json")})
    run.table("segments", judgement.segment_rows())
    run.table("trials", [{**settings.model_dump(mode="json"), "ndcg_at_20": value} for settings, value in choice.tried])
