"""Decides which models are trained tonight, in `training/decisions`, and measures how good last night's lists were.

A model is trained where it has no champion yet, where the champion is `retrain_days` old, where somebody asks for it,
and where quality has fallen: what the champion listed the night before met, beyond doubt, less than `quality_share` of
what it met when it was judged. Drift alone never asks. Where there is too little to learn from the
decision says what it waits for, and lists are made of the other sources. A second run of a night decides the same,
unless the champion has changed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from daybreak.clock import days_before, parse_day
from daybreak.datasets import EDGES
from daybreak.features.partials import PAIR_DAYS
from daybreak.features.training import MATURITY_DAYS, RANKER_ROWS
from daybreak.lake.schemas import data_schema
from daybreak.learning import DECISIONS, LISTED, QUALITY, Model
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from training.evaluation.confidence import Interval
from training.met import Met, met_by
from training.recording import standing
from training.registry.catalogue import Version
from training.registry.versions import Versions

MEASURE = "ndcg_at_20"


class DueConfig(StepConfig):
    """What asks for training, and how much there must be to learn from."""

    asked: str = Field("", description="why training is asked for; empty where nobody asks")
    models: list[Model] = Field(list(Model), description="the models that may be trained")
    retrain_days: int = Field(7, ge=1, description="days after which a champion is trained anew")
    quality_share: float = Field(
        0.6, gt=0, le=1, description="share of the judged quality below which last night's lists ask for training"
    )
    least_days: int = Field(7, ge=3, description="days of wants, or of ties, that models that list need")
    least_row_days: int = Field(3, ge=3, description="days of training rows that the ranker needs")
    maturity_days: int = Field(MATURITY_DAYS, ge=1, description="days after which training rows are told")


@dataclass(frozen=True)
class Decision:
    """Whether a model is trained, and on what evidence."""

    model: Model
    train: bool
    because: str


@dataclass(frozen=True)
class Evidence:
    """What is known of a model before it is decided. `missing` says what there is too little of."""

    missing: str | None
    champion: Version | None
    met: Met | None


def run(config: DueConfig, io: StepIO) -> Summary:
    """Measures, decides, and writes both down."""
    versions = Versions.of(io.settings)
    champions = {model: standing(versions, model, config.ds) for model in Model}
    met = met_by(io, list(LISTED))
    io.write(QUALITY, _quality_rows(met))
    missing = _missing(config, io)
    decisions = [decide(config, model, Evidence(missing[model], champions[model], met.get(model))) for model in Model]
    io.write(DECISIONS, pa.Table.from_pylist([_row(each) for each in decisions], schema=data_schema(DECISIONS)))
    return {decision.model.value: _said(decision) for decision in decisions}


def decide(config: DueConfig, model: Model, evidence: Evidence) -> Decision:
    """The decision that the evidence calls for."""
    if model not in config.models:
        return Decision(model, False, "it is not among the models that may be trained")
    if evidence.missing:
        return Decision(model, False, f"waits: {evidence.missing}")
    if config.asked:
        return Decision(model, True, f"asked for: {config.asked}")
    if evidence.champion is None:
        return Decision(model, True, "there is no champion yet")
    age = (parse_day(config.ds) - parse_day(evidence.champion.trained_until)).days
    if age >= config.retrain_days:
        return Decision(model, True, f"the champion, version {evidence.champion.number}, is {age} days old")
    judged = evidence.champion.measures.get(MEASURE)
    met = evidence.met if evidence.met and evidence.met.version == evidence.champion.number else None
    found: Interval | None = met.interval if met else None
    if found and judged and found.high < config.quality_share * judged:
        return Decision(
            model,
            True,
            f"last night's lists met what users then wanted with an NDCG of {found.mean:.4f}, at most {found.high:.4f},"
            f" where {judged:.4f} was measured when the champion was judged",
        )
    return Decision(
        model, False, f"the champion, version {evidence.champion.number}, is {age} days old and good enough"
    )


def due(io: StepIO, model: Model) -> Decision:
    """What was decided for tonight."""
    rows = io.day(DECISIONS).filter(pc.field("model") == model.value).to_pylist()
    return Decision(model, rows[0]["train"], rows[0]["because"])


def _missing(config: DueConfig, io: StepIO) -> Mapping[Model, str | None]:
    """What there is too little of, for each model."""
    days = [day for day, rows in io.days(PAIR_DAYS).items() if rows]
    row_days = mature_days(io, config.maturity_days)
    wants = _too_few("wants", len(days), config.least_days)
    rows = _too_few("training rows", len(row_days), config.least_row_days)
    ties = _too_few("ties", len([day for day, told in io.days(EDGES).items() if told]), config.least_days)
    return {Model.GNN: wants, Model.TWO_TOWER: wants, Model.RANKER: rows, Model.PEOPLE: ties}


def mature_days(io: StepIO, maturity_days: int) -> list[str]:
    """The days of training rows that the night could have had, oldest first; a later night may have told newer ones."""
    newest = days_before(io.ds, maturity_days)
    return [day for day, rows in io.days(RANKER_ROWS).items() if rows and day <= newest]


def _too_few(what: str, found: int, least: int) -> str | None:
    return f"there are {found} days of {what}, and {least} are needed" if found < least else None


def _row(decision: Decision) -> dict[str, object]:
    return {"model": decision.model.value, "train": decision.train, "because": decision.because}


def _said(decision: Decision) -> str:
    return f"{'train' if decision.train else 'leave'}: {decision.because}"


def _quality_rows(met: Mapping[Model, Met | None]) -> pa.Table:
    rows = [
        {
            "model": model.value,
            "version": found.version,
            "users": len(found.ndcg),
            "ndcg_at_20": found.interval.mean,
            "low": found.interval.low,
            "high": found.interval.high,
        }
        for model, found in met.items()
        if found
    ]
    return pa.Table.from_pylist(rows, schema=data_schema(QUALITY))
