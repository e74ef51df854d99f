"""Trains the model of people and registers it: who is likely to be tied to whom next, learned from the social graph.

The teacher's filter over users by users. The last `holdout_days` judge, by the ties that were newly made in them; of
the days before, the last `validation_days` choose the settings. The bar is PageRank that starts anew at the user and
follows recent ties. Logged and registered as the model `people`. A second run of a night learns the same model.
"""

from __future__ import annotations

import numpy as np
from pydantic import Field

from daybreak.learning import USER, Model
from daybreak.step_io import StepIO
from daybreak.steps import Summary
from training.data.ids import IdMap, id_map
from training.data.ties import Ties, ties_of
from training.data.wants import day_of, number_of
from training.due import due
from training.graph_learning import GraphConfig, Places, learn, log
from training.graph_teacher import read
from training.judging import judged
from training.models.pagerank import RecentPageRank
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
from training.retrieval import HeldOut, Scorer, no_news, view_at


class PeopleConfig(GraphConfig):
    """Which days judge."""

    holdout_days: int = Field(3, ge=1, description="last days, whose new ties judge and are not learned from")
    validation_days: int = Field(3, ge=1, description="days before those, which choose the settings")
    gates: GateLimits = Field(GateLimits(), description="what a version must keep to, to become champion")


def run(config: PeopleConfig, io: StepIO) -> Summary:
    """Learns, judges, registers."""
    decision = due(io, Model.PEOPLE)
    if not decision.train:
        return {"trained": False, "because": decision.because}
    versions = Versions.of(io.settings)
    users = id_map(io, USER)
    ties = ties_of(io, users)
    cut = number_of(config.ds) - config.holdout_days
    test = new_ties(ties, users, cut, config.holdout_days)
    chooses = new_ties(ties.known_by(cut), users, cut - config.validation_days, config.validation_days)
    params = config.model_dump(mode="json", exclude={"ds"})
    kept = Checkpoint(io, Model.PEOPLE, params, learned_from(io))
    places = Places(kept.path.with_suffix(".choosing.pt"), kept.path, str(learned_from(io)))
    with (
        versions.registry.run(Model.PEOPLE, config.ds, {"because": decision.because}, params) as run,
        io.scratch() as work,
    ):
        champion = _champion(versions, config.ds, test)
        found = learn(config, chooses, test.view, io.seed, places, curves_into(run))
        bar = RecentPageRank(test.view.histories)
        judgement = judged(found.model.at(test.view), champion, test, io.seed, baseline=bar)
        facts = {"trained_until": config.ds, "learned_until_day": cut, "users": len(users)}
        bundle = found.model.write(work / Model.PEOPLE, Model.PEOPLE, facts, built_from(io))
        gates = judge(judgement.evidence(bundle.size_bytes, knows_newcomers=False), config.gates)
        log(run, found)
        run.table("segments", judgement.segment_rows())
        recorded = record(versions, run, io, bundle, found.model.example(), judgement.metrics, gates, decision.because)
    kept.remove()
    measured = {name: round(judgement.metrics[name], 4) for name in ("ndcg_at_20", "baseline/ndcg_at_20")}
    return {"trained": True, **summary_of(recorded, Model.PEOPLE), **measured}


def new_ties(ties: Ties, users: IdMap, night: int, days: int) -> HeldOut:
    """The test that the days after a night make: of all who had ties and newly made one."""
    view = view_at(night, ties.between, users, users)
    relevant = ties.new(night, days)
    judged_by = np.flatnonzero((relevant.sizes > 0) & (view.histories.sizes > 0))
    if not len(judged_by):
        raise no_news("nobody who had a tie made another", "land their edges", day_of(night), days)
    return HeldOut(view, judged_by, relevant, ties.seen(night))


def _champion(versions: Versions, ds: str, test: HeldOut) -> Scorer | None:
    champion = standing(versions, Model.PEOPLE, ds)
    if champion is None:
        return None
    with compared_with(champion):
        return read(versions.fetch(champion)).at(test.view)
