"""What the steps that learn from a graph share: from the decision to train to the registered version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pydantic import Field

from daybreak.learning import Model
from daybreak.step_io import StepIO
from daybreak.steps import Summary
from training.due import due
from training.graph_learning import GraphConfig, learn, log
from training.judging import judged, standing_scorer
from training.recording import Checkpoint, curves_into, learned_from, record, summary_of
from training.registry.gates import GateLimits, judge
from training.registry.versions import Versions
from training.retrieval import HeldOut, Scorer


class GraphStepConfig(GraphConfig):
    """How a graph is learned from, and what its model must keep to."""

    gates: GateLimits = Field(GateLimits(), description="what a version must keep to, to become champion")


@dataclass(frozen=True)
class Days:
    """The days that judge a model, the days before them that choose its settings, and the bar; where none is given it
    is what is popular lately."""

    judge: HeldOut
    choose: HeldOut
    bar: Scorer | None = None


def learn_version(config: GraphStepConfig, io: StepIO, model: Model, days_of: Callable[[], Days]) -> Summary:
    """Learns, judges, registers, where it was decided so; `days_of` reads what it is learned from."""
    decision = due(io, model)
    if not decision.train:
        return {"trained": False, "because": decision.because}
    versions, days = Versions.of(io.settings), days_of()
    view = days.judge.view
    params = config.model_dump(mode="json", exclude={"ds"})
    checkpoint = Checkpoint(io, model, params, learned_from(io))
    with versions.registry.run(model, config.ds, {"because": decision.because}, params) as run, io.scratch() as work:
        champion = standing_scorer(versions, model, config.ds, view)
        found = learn(config, days.choose, view, io.seed, checkpoint.path, curves_into(run))
        judgement = judged(found.model.at(view), champion, days.judge, io.seed, days.bar)
        facts = {"trained_until": config.ds, "learned_until_day": view.night, "users": len(view.users)}
        bundle = found.model.write(work / model, model, facts, io.origin)
        gates = judge(judgement.evidence(bundle.size_bytes, knows_newcomers=False), config.gates)
        log(run, found)
        run.table("segments", judgement.segment_rows())
        recorded = record(versions, run, io, bundle, found.model.example(), judgement.metrics, gates, decision.because)
    checkpoint.remove()
    measured = {name: round(judgement.metrics[name], 4) for name in ("ndcg_at_20", "baseline/ndcg_at_20")}
    return {"trained": True, **summary_of(recorded, model), **measured}
