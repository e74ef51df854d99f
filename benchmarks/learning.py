"""What the nightly models are worth on a simulated month: the student beside its teacher, the ranker beside trees.

Lands the month that `make nightly` lands, makes its features and training rows as a home has them that has run for
weeks, and trains teacher, student, ranker and people by their steps; the last four days of rows judge the ranker. What
they logged is read back from MLflow; asked anew is only what they do not measure: the share of the teacher's NDCG@20
that the student keeps for users with a history, cold items, and what scoring everybody costs on one thread. Cold items,
which nobody had wanted before the days that judge, are ranked among themselves too: popularity cannot tell them apart,
so what is popular in their category stands for it, and a content kNN by text, category, brand.
Run: `python -m benchmarks.learning [--events N] [--home FOLDER]`; a home that was learned in already is only read.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from threadpoolctl import threadpool_limits

from benchmarks.content import Content, PopularInCategory
from daybreak.features.views import VIEWS
from daybreak.lake import Lake
from daybreak.learning import ITEM, USER, Model
from daybreak.night import newest_day
from daybreak.settings import Settings, load_settings
from daybreak.step_io import StepIO
from daybreak.steps import step_named
from training.data.ids import Ints, id_map
from training.data.wants import number_of, wants_of
from training.evaluation.confidence import difference, interval
from training.evaluation.full_catalogue import RankingEvaluation, evaluate
from training.evaluation.ranking import Scores, Sets
from training.graph_teacher import read as read_teacher
from training.judging import Popular
from training.registry.versions import Versions
from training.retrieval import NEVER, HeldOut, Retriever, Scorer, held_out, judge_retriever, view_at
from training.towers import read as read_student
from training.two_tower import TwoTowerConfig, judging_features

K, MEASURE = 20, "ndcg_at_20"
BLOCK = 512
BEFORE = ("jobs.ingest", "validation.audit", "jobs.partials", *(view.made_by for view in VIEWS.values()),
          "training.ids", "jobs.training_set")  # fmt: skip
LEARN = ("training.due", "training.gnn", "training.two_tower", "training.ranker", "training.people")
LONG_RUN = {
    "DAYBREAK_FEATURE_HISTORY_DAYS": "24",
    "DAYBREAK_STEPS": json.dumps({"training.ranker": {"test_days": 4}}),
}
"""What makes one night learn as if others had gone before it."""
Figures = list[dict[str, str]]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=50_000, help="events a day")
    parser.add_argument("--home", type=Path, help="where the month is, or is to be, landed and learned")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["DAYBREAK_HOME"] = str(options.home or folder)
        settings = load_settings()
        if not Versions.of(settings).models():
            _make(settings, options.events)
        print(json.dumps(measure(settings), indent=2))


def _make(settings: Settings, events: int) -> None:
    """The month, and what is learned of it on its last night; each command in a process of its own, as Airflow does."""
    _daybreak("simulate", "--days", "30", "--events-per-day", str(events), "--seed", "1")
    ds = newest_day(settings.landing)
    for steps in (BEFORE, LEARN):
        _daybreak("run", *steps, "--ds", ds)


def _daybreak(*arguments: str) -> None:
    command = [sys.executable, "-m", "daybreak.cli.main", *arguments]
    subprocess.run(command, check=True, stdout=sys.stderr, env=os.environ | LONG_RUN)


def measure(settings: Settings) -> dict[str, Any]:
    """Every figure, in rows for people and as MLflow holds them."""
    versions, ds = Versions.of(settings), newest_day(settings.landing)
    torch.set_num_threads(1)
    with threadpool_limits(1):
        asked = asked_of(settings, versions, ds)
        rows = [*_warm(asked), *_cold(asked), *_costs(asked)]
    logged = {model: _logged(versions, model) for model in Model}
    ranker, people = logged[Model.RANKER], logged[Model.PEOPLE]
    return {"rows": [*rows, *_ranker(ranker), *_forms(ranker), *_people(people)], "logged": logged}


@dataclass(frozen=True)
class Asked:
    """The test that the towers were judged by, and who is asked. `cold` are items that nobody had wanted, most of which
    came on the days that judge; what they are is known."""

    test: HeldOut
    teacher: Retriever
    student: Retriever
    others: dict[str, Scorer]
    cold: Ints
    seed: int


def asked_of(settings: Settings, versions: Versions, ds: str) -> Asked:
    """All of it, as the step of the towers read it."""
    config, lake = TwoTowerConfig(ds=ds), Lake.of(settings)
    step = step_named("training.two_tower")
    io = StepIO(step, ds, settings, lake, lake.begin(step.name, ds))
    users, items = id_map(io, USER), id_map(io, ITEM)
    wants = wants_of(io, users, items, config.history_days)
    cut = number_of(ds) - config.holdout_days
    features = judging_features(io, ds, cut, users, items)
    test = held_out(view_at(cut, wants, users, items, features), wants, config.holdout_days)
    teacher, student = (versions.fetch(versions.list(model)[0]) for model in (Model.GNN, Model.TWO_TOWER))
    content = Content(test.view)
    wanted = np.bincount(test.view.histories.items, minlength=len(items))
    cold = np.flatnonzero((wanted == 0) & content.known)
    others: dict[str, Scorer] = {
        "popularity": Popular(test.view),
        "popularity in its category": PopularInCategory(test.view, content),
        "content kNN": content,
    }
    return Asked(test, read_teacher(teacher), read_student(student), others, cold, io.seed)


def _warm(asked: Asked) -> Figures:
    """Users with a history, over the whole catalogue."""
    teacher, student = (
        judge_retriever(each.at(asked.test.view), asked.test, (K,)) for each in (asked.teacher, asked.student)
    )
    warm = asked.test.view.histories.sizes[student.queries] > 0
    theirs, ours = teacher.metrics[MEASURE][warm], student.metrics[MEASURE][warm]
    gain = difference(ours, theirs, asked.seed)
    return [
        _row("users with a history who are judged", f"{int(warm.sum()):,}"),
        _row("teacher, NDCG@20", f"{theirs.mean():.4f}"),
        _row("student, NDCG@20", f"{ours.mean():.4f}"),
        _row("student / teacher (aim: at least 0.97)", f"{ours.mean() / theirs.mean():.3f}"),
        _row("  where it lies", f"{1 + gain.low / theirs.mean():.3f} to {1 + gain.high / theirs.mean():.3f}"),
    ]


def _cold(asked: Asked) -> Figures:
    """What users wanted of the cold items, ranked among all items, and among the cold ones."""
    test = asked.test
    is_cold = np.isin(test.relevant.items, asked.cold)
    relevant = Sets.of(test.relevant.rows[is_cold], test.relevant.items[is_cold], len(test.relevant))
    others = np.setdiff1d(np.arange(len(test.view.items)), asked.cold)
    rows = [
        _row("cold items", f"{len(asked.cold):,}"),
        _row("users who wanted one of them", f"{int((relevant.sizes > 0).sum()):,}"),
    ]
    if not relevant.sizes.any():
        return rows
    for where, hidden in (("all items", others[:0]), ("cold items", others)):
        scorers = {"student": asked.student.at(test.view), **asked.others}
        found = {name: _ranked(scorer, test, relevant, hidden).metrics[MEASURE] for name, scorer in scorers.items()}
        for name, values in found.items():
            spread = interval(values, asked.seed)
            told = f"{spread.mean:.4f} ({spread.low:.4f} to {spread.high:.4f})"
            rows.append(_row(f"cold, among {where}: {name}, NDCG@20", told))
        best = max(found[name].mean() for name in asked.others)
        ratio = found["student"].mean() / best if best else float("inf")
        rows.append(_row(f"cold, among {where}: student / the best other (aim: 1.2)", f"{ratio:.2f}"))
    return rows


def _ranked(scorer: Scorer, test: HeldOut, relevant: Sets, hidden: Ints) -> RankingEvaluation:
    def score(users: Ints) -> Scores:
        scores = np.array(scorer.for_users(users))
        scores[:, hidden] = NEVER
        return scores

    return evaluate(score, test.users, relevant, test.seen, (K,))


def _costs(asked: Asked) -> Figures:
    """Processor seconds of one thread from what a night knows to a score of every item for every user."""
    view = asked.test.view
    users = np.arange(len(view.users))

    def seconds(retriever: Retriever) -> float:
        def work() -> None:
            scorer = retriever.at(view)
            for start in range(0, len(users), BLOCK):
                scorer.for_users(users[start : start + BLOCK])

        return _quickest(work)

    teacher, student = seconds(asked.teacher), seconds(asked.student)
    what = f"{len(users):,} users × {len(view.items):,} items"
    return [
        _row(f"teacher, {what}, s of one thread", f"{teacher:.3f}"),
        _row(f"student, {what}, s of one thread", f"{student:.3f}"),
        _row("student / teacher (aim: at most 0.25)", f"{student / teacher:.2f}"),
    ]


def _quickest(work: Callable[[], object], rounds: int = 15) -> float:
    taken = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken)


def _ranker(logged: dict[str, float]) -> Figures:
    """The order of purchases beside others, and how far chances lie from what happened."""
    rows = [_row("users and days with a purchase that judge the ranker", f"{logged['groups']:,.0f}")]
    for name in ("ranker", "retrieval", "popularity", "trees", "trees_together"):
        rows.append(_row(f"{name}, NDCG@10 of purchases", _spread(logged, f"ndcg_at_10/{name}")))
        rows.append(_row("  as shown, all purchases alike", _spread(logged, f"as_shown/ndcg_at_10/{name}")))
        if name != "ranker":
            rows.append(_row(f"  how much higher the ranker's is than {name}'s", _gain(logged, name)))
            rows.append(_row("    as shown", _gain(logged, name, "as_shown/")))
    errors = {name.split("/")[0]: value for name, value in logged.items() if name.endswith("calibrated/ece_equal_mass")}
    return rows + [_row(f"{head}: ECE (aim: at most 0.02)", f"{value:.4f}") for head, value in errors.items()]


def _forms(logged: dict[str, float]) -> Figures:
    """The sizes, speeds and orders of the forms that the ranker can serve in."""
    whole = logged["forms/float32/ndcg_at_10"]
    rows = []
    for form in sorted({name.split("/")[1] for name in logged if name.startswith("forms/")}):
        size, speed, ndcg = (logged[f"forms/{form}/{name}"] for name in ("size_bytes", "microseconds_per_1000_rows",
                                                                          "ndcg_at_10"))  # fmt: skip
        told = f"{size / 1e3:,.0f} kB, {speed / 1e3:.1f} ms"
        rows.append(_row(f"{form}: size, and time for 1,000 rows", told))
        if form != "float32":
            rows.append(_row(f"{form}: share of NDCG@10 lost (aim for int8: 1%)", f"{1 - ndcg / whole:.2%}"))
    return rows


def _people(logged: dict[str, float]) -> Figures:
    """Ties that were newly made."""
    return [
        _row("people, NDCG@20 of new ties", f"{logged[MEASURE]:.4f}"),
        _row("  PageRank over recent ties", f"{logged[f'baseline/{MEASURE}']:.4f}"),
    ]


def _logged(versions: Versions, model: Model) -> dict[str, float]:
    """The last value of every metric that the newest version's run holds."""
    run = versions.registry.client.get_run(versions.list(model)[0].run_id)
    return dict(sorted(run.data.metrics.items()))


def _gain(logged: dict[str, float], name: str, prefix: str = "") -> str:
    mean, low, high = (logged[f"{prefix}ndcg_at_10_gain_over/{name}{end}"] for end in ("", "_low", "_high"))
    return f"{mean:+.4f} ({low:+.4f} to {high:+.4f})"


def _spread(logged: dict[str, float], name: str) -> str:
    return f"{logged[name]:.4f} ({logged[f'{name}_low']:.4f} to {logged[f'{name}_high']:.4f})"


def _row(what: str, value: str) -> dict[str, str]:
    return {"what": what, "value": value}


if __name__ == "__main__":
    main()
