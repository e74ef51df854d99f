"""Trains the student and registers it: two towers that know users and items by features and history.

Runs where `training/decisions` says so, after the teacher. The last `holdout_days` judge. Of the nights before them,
the last `nights` teach: each user as the night knew them, against what the user newly wanted on the day after. The
teacher, tonight's or else the champion, hands over its vectors to begin with, and its lists beside what was wanted.
Some items are shown as newcomers, as are those that came on that day, so that items nobody has met get a vector from
what they are; an item that was not there yet is set against nobody. Where the night's trials were judged, the settings
of the best are taken. The towers are exported, and the export is judged and served. A second run of a night learns the
same model; one that was interrupted goes on from its checkpoint.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from pydantic import Field, model_validator
from torch import Tensor

from daybreak.clock import days_before
from daybreak.errors import InputError
from daybreak.features.counted import ITEM_ACTIVITY
from daybreak.features.encoder import Encoded
from daybreak.features.services import TWO_TOWER
from daybreak.learning import ITEM, USER, Model
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from training.data.histories import Histories
from training.data.ids import IdMap, Ints, id_map
from training.data.nights import NightFeatures, features_at, nights_with_features, untold, with_newcomers
from training.data.tower_nights import TowerEncoders, TowerNight, as_newcomers, first_rows, tower_night
from training.data.wants import Floats, Wants, day_of, number_of, wants_of
from training.due import due
from training.fitting.device import device_of
from training.fitting.loop import FitReport, LoopConfig, Observe, fit, ignore
from training.fitting.seeding import deterministic
from training.fitting.tower_task import Teacher as TeacherScores
from training.fitting.tower_task import TowerAims, TowerTask
from training.graph_teacher import FilterModel, renumbered
from training.graph_teacher import read as read_teacher
from training.judging import judged, standing_scorer
from training.models.two_tower import TwoTower
from training.recording import (
    Checkpoint,
    curves_into,
    learned_from,
    record,
    standing,
    summary_of,
)
from training.registry.gates import GateLimits, judge
from training.registry.versions import Versions
from training.retrieval import HeldOut, held_out, judge_retriever, view_at
from training.tower_export import ExportedTowers, export_towers
from training.towers import Forward, TowerModel, opened, read, write_towers

COUNTED = f"{ITEM_ACTIVITY.name}__"
"""How features begin that tell what was counted of an item: nothing of one that nobody has met."""
TRIED, TRIAL_MEASURE = "tried", "validation_ndcg_at_20"
"""Where a trial keeps what it changed, and what it is judged by."""
WHAT_IT_IS = {"dimensions", "hidden", "with_ids", "half_life_days", "form"}


class TwoTowerConfig(StepConfig):
    """What the towers are, what they learn from, and how."""

    history_days: int = Field(90, ge=7, description="days of wants that are remembered")
    holdout_days: int = Field(2, ge=1, description="last days, which judge and are not learned from")
    nights: int = Field(14, ge=1, description="nights before those that are learned from, at most")
    dimensions: int = Field(64, ge=2, description="numbers of a vector, beside the bias")
    hidden: list[int] = Field([128], description="sizes of the hidden layers")
    with_ids: bool = Field(True, description="whether items keep a vector for their id beside their features")
    half_life_days: float = Field(30.0, gt=0, description="days after which a want is remembered half as much")
    task_share: float = Field(0.4, ge=0, le=1, description="how much the wants count beside the teacher's lists")
    temperature: float = Field(1.0, gt=0, description="softening of both lists")
    sharpness: float = Field(3.0, gt=0, description="exponent that the teacher's scores are raised to")
    cold_share: float = Field(0.15, ge=0, lt=1, description="share of items shown as newcomers")
    forgotten: float = Field(0.5, ge=0, lt=1, description="most of a history that is hidden while learning from it")
    candidates: int = Field(4_096, ge=2, description="items that a batch is ranked among, at most")
    hard: int = Field(512, ge=0, description="of them, drawn from what the teacher ranks high")
    loop: LoopConfig = Field(
        LoopConfig(epochs=20, batch_size=512, learning_rate=1e-3, fading_epochs=40), description="how they are fitted"
    )
    prune_share: float = Field(0.5, ge=0, lt=1, description="share of hidden neurons that the pruned form lacks")
    form: Literal["float32", "int8", "pruned", "pruned_int8"] = Field("float32", description="the form that serves")
    gates: GateLimits = Field(GateLimits(), description="what a version must keep to, to become champion")

    @model_validator(mode="after")
    def _candidates_hold_the_hard(self) -> TwoTowerConfig:
        if self.hard >= self.candidates:
            raise ValueError(f"hard is {self.hard}, but only {self.candidates} candidates are ranked; raise candidates")
        return self

    def aims(self) -> TowerAims:
        return TowerAims(
            self.task_share,
            self.temperature,
            self.sharpness,
            self.cold_share,
            self.candidates,
            self.hard,
            self.half_life_days,
            self.forgotten,
        )


@dataclass(frozen=True)
class Lessons:
    """All that the towers are taught with."""

    encoders: TowerEncoders
    nights: list[TowerNight]
    newcomers: dict[int, Encoded]


def run(config: TwoTowerConfig, io: StepIO) -> Summary:
    """Learns, exports, judges, registers."""
    decision = due(io, Model.TWO_TOWER)
    if not decision.train:
        return {"trained": False, "because": decision.because}
    versions = Versions.of(io.settings)
    config = changed(config, versions.registry.best(Model.TWO_TOWER, config.ds, TRIAL_MEASURE, TRIED) or {})
    users, items = id_map(io, USER), id_map(io, ITEM)
    wants = wants_of(io, users, items, config.history_days)
    cut = number_of(config.ds) - config.holdout_days
    features = judging_features(io, config.ds, cut, users, items)
    test = held_out(view_at(cut, wants, users, items, features), wants, config.holdout_days)
    lessons = lessons_before(config, io, cut, wants.known_by(cut), users, items)
    teacher = _teacher(versions, config.ds)
    params = config.model_dump(mode="json", exclude={"ds"})
    checkpoint = Checkpoint(io, Model.TWO_TOWER, params, learned_from(io))
    with versions.registry.run(Model.TWO_TOWER, config.ds, {"because": decision.because}, params) as run:
        champion = standing_scorer(versions, Model.TWO_TOWER, config.ds, test.view)
        module, report = teach(config, lessons, teacher, items, io.seed, checkpoint.path, curves_into(run))
        with io.scratch() as work:
            towers = export_towers(module, _examples(module, lessons), work, config.prune_share)
            forms = {
                name: tower_model(opened(files), module, lessons, items, config) for name, files in towers.files.items()
            }
            run.table("forms", _compared(forms, towers, test))
            facts = {"trained_until": config.ds, "learned_until_day": cut, "teacher": teacher is not None}
            settings = config.model_dump(mode="json", include=WHAT_IT_IS)
            bundle = write_towers(
                work / Model.TWO_TOWER, forms[config.form], towers.files[config.form], settings, facts, io.origin
            )
            judgement = judged(read(bundle).at(test.view), champion, test, io.seed)
            gates = judge(judgement.evidence(bundle.size_bytes, towers.gap, knows_newcomers=True), config.gates)
            run.table("segments", judgement.segment_rows())
            measured = {"examples_per_second": report.examples_per_second, "export_gap": towers.gap}
            example = forms[config.form].example(features.users)
            recorded = record(versions, run, io, bundle, example, judgement.metrics | measured, gates, decision.because)
    checkpoint.remove()
    ndcg = round(judgement.metrics["ndcg_at_20"], 4)
    return {"trained": True, **summary_of(recorded, Model.TWO_TOWER), "ndcg_at_20": ndcg}


def judging_features(io: StepIO, ds: str, cut: int, users: IdMap, items: IdMap) -> NightFeatures:
    """What the night before the days that judge knew; items that came on those days are newcomers."""
    night, now = (features_at(io, TWO_TOWER, day, users, items) for day in (day_of(cut), ds))
    return with_newcomers(night, now, COUNTED)


def _teacher(versions: Versions, ds: str) -> FilterModel | None:
    """The teacher of tonight, else the champion; None where there is neither."""
    tonight = [version for version in versions.list(Model.GNN) if version.ds == ds]
    chosen = tonight[0] if tonight else standing(versions, Model.GNN, ds)
    return read_teacher(versions.fetch(chosen)) if chosen else None


def _examples(module: TwoTower, lessons: Lessons) -> dict[str, tuple[Encoded, Tensor]]:
    """Some rows of users and of items, for the exporter to look at."""
    last = lessons.nights[-1]
    users, items = first_rows(last.user_inputs), first_rows(last.item_inputs)
    dimensions = module.ids.shape[1]
    return {
        "users": (users, torch.randn(len(users.numbers), dimensions, generator=torch.Generator().manual_seed(0))),
        "items": (items, module.ids.detach()[: len(items.numbers)].clone()),
    }


def changed(config: TwoTowerConfig, drawn: Mapping[str, Any]) -> TwoTowerConfig:
    """The configuration with what a trial changed."""
    values = config.model_dump(mode="json", include=set(TwoTowerConfig.model_fields))
    return TwoTowerConfig(**{**values, **drawn, "loop": {**values["loop"], **drawn.get("loop", {})}})


def tower_model(
    towers: tuple[Forward, Forward], module: TwoTower, lessons: Lessons, items: IdMap, config: TwoTowerConfig
) -> TowerModel:
    """The towers, ready to be asked."""
    return TowerModel(
        *towers,
        lessons.encoders,
        items,
        module.ids.detach().numpy(),
        module.remembered.detach().numpy(),
        config.half_life_days,
    )


def _compared(forms: Mapping[str, TowerModel], towers: ExportedTowers, test: HeldOut) -> list[dict[str, object]]:
    """Size, speed and quality of every form."""
    rows = test.users[:1_000]
    table = []
    for name, model in forms.items():
        scorer = model.at(test.view)
        began = time.perf_counter()
        scorer.user_vectors(rows)
        seconds = time.perf_counter() - began
        size = sum(path.stat().st_size for path in towers.files[name].values())
        ndcg = judge_retriever(scorer, test, (20,)).means["ndcg_at_20"]
        table.append({"form": name, "bytes": size, "ms per 1,000 users": seconds * 1e6 / len(rows), "ndcg_at_20": ndcg})
    return table


def lessons_before(config: TwoTowerConfig, io: StepIO, cut: int, wants: Wants, users: IdMap, items: IdMap) -> Lessons:
    """What the nights before the held-out days teach, as far as they have features."""
    nights = [day_of(night) for night in range(cut - config.nights, cut)]
    ready = nights_with_features(io, TWO_TOWER, nights)
    if not ready:
        raise InputError(
            f"the towers learn from nights before {day_of(cut)} that have features, none of the last {config.nights}"
            " has all views of the service two_tower; run the jobs that make them, or lower holdout_days"
        )
    return lessons_of({night: _with_arrivals(io, night, users, items) for night in ready}, wants)


def _with_arrivals(io: StepIO, night: str, users: IdMap, items: IdMap) -> NightFeatures:
    """What a night knew, and what items are that came on the day after it."""
    known, after = (features_at(io, TWO_TOWER, day, users, items) for day in (night, days_before(night, -1)))
    return with_newcomers(known, after, COUNTED)


def lessons_of(features: dict[str, NightFeatures], wants: Wants) -> Lessons:
    """The lessons of nights whose features are known."""
    encoders = TowerEncoders.fit(list(features.values()))
    nights: list[TowerNight] = []
    newcomers: dict[int, Encoded] = {}
    for night, known in features.items():
        number = number_of(night)
        unmet, absent = untold(known.items, COUNTED), untold(known.items)
        found = tower_night(number, wants, *encoders.encode(known), unmet, absent)
        if found:
            nights.append(found)
            newcomers[number] = as_newcomers(encoders.items, known.items, COUNTED)
    if not nights:
        raise InputError(
            f"the nights from {min(features)} to {max(features)} teach nothing: nobody wanted anything new on the days"
            " after them; land more days, or learn from more nights"
        )
    return Lessons(encoders, nights, newcomers)


def teach(
    config: TwoTowerConfig,
    lessons: Lessons,
    teacher: FilterModel | None,
    items: IdMap,
    seed: int,
    checkpoint: Path | None = None,
    observe: Observe = ignore,
) -> tuple[TwoTower, FitReport]:
    """The towers, fitted."""
    users, catalogue = lessons.encoders.users, lessons.encoders.items
    with deterministic(seed):
        module = TwoTower(
            (len(users.number_names), users.word_counts, users.vector_width),
            (len(catalogue.number_names), catalogue.word_counts, catalogue.vector_width),
            len(items),
            config.dimensions,
            config.hidden,
            with_ids=config.with_ids,
        )
    rows = items.rows_of(teacher.items, "the teacher") if teacher else np.zeros(0, np.int64)
    if teacher and config.with_ids:
        module.start_from(*(_at_rows(vectors, rows, len(items)) for vectors in teacher.factors(config.dimensions)))
    aims = config.aims()
    task = TowerTask(module, lessons.nights, lessons.newcomers, aims, _asked(teacher, rows, len(items)), seed)

    start = hashlib.sha256(module.ids.detach().numpy().tobytes()).hexdigest()[:12]
    report = fit(
        task,
        config.loop,
        seed=seed,
        device=device_of(),
        checkpoint=checkpoint,
        observe=observe,
        belongs_to=f"{aims} {start}",
    )
    unmet = torch.from_numpy(np.logical_and.reduce([night.unmet for night in lessons.nights]))
    with torch.no_grad():
        module.cpu().ids[unmet] = 0.0
    return module.eval(), report


def _asked(teacher: FilterModel | None, rows: Ints, n_items: int) -> TeacherScores | None:
    """What the teacher gives, at the rows of tonight's items."""
    if teacher is None:
        return None
    known = rows >= 0

    def scores(histories: Histories) -> Floats:
        given = np.full((len(histories), n_items), -np.inf, np.float32)
        given[:, rows[known]] = teacher.logits(renumbered(histories, rows))[:, known]
        return given

    return scores


def _at_rows(vectors: Floats, rows: Ints, n_items: int) -> torch.Tensor:
    placed = np.full((n_items, vectors.shape[1]), np.nan, np.float32)
    placed[rows[rows >= 0]] = vectors[rows >= 0]
    return torch.from_numpy(placed)
