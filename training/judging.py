"""A retrieval model beside the champion and beside what is popular lately, on the same users and the same days."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from daybreak.learning import Model
from training.data.ids import Ints
from training.evaluation.beyond_accuracy import beyond_accuracy
from training.evaluation.confidence import Interval, difference
from training.evaluation.full_catalogue import RankingEvaluation
from training.evaluation.ranking import Scores
from training.evaluation.report import flat_report
from training.evaluation.segments import (
    ItemSegments,
    QuerySegments,
    history_segments,
    popularity_segments,
    segment_table,
)
from training.recording import compared_with, standing
from training.registry.gates import Evidence
from training.registry.loaders import servable
from training.registry.versions import Versions
from training.retrieval import HeldOut, NightView, Retriever, Scorer, judge_retriever

MEASURE = "ndcg_at_20"
COLD_MEASURE = "recall_at_100"
TOLD = ("ndcg_at_20", "recall_at_20", "recall_at_100")
POPULAR_HALF_LIFE_DAYS = 7.0


class Popular:
    """What many wanted lately, the same for all: what any model has to beat."""

    def __init__(self, view: NightView) -> None:
        fresh = 0.5 ** (view.histories.ages / POPULAR_HALF_LIFE_DAYS)
        self._scores = np.bincount(view.histories.items, fresh, len(view.items)).astype(np.float32)

    def for_users(self, rows: Ints) -> Scores:
        return np.tile(self._scores, (len(rows), 1))

    def for_items(self, rows: Ints) -> Scores:
        return self.for_users(rows)


def standing_scorer(versions: Versions, model: Model, ds: str, view: NightView) -> Scorer | None:
    """The champion that a night finds, at the end of another."""
    champion = standing(versions, model, ds)
    if champion is None:
        return None
    with compared_with(champion):
        retriever: Retriever = servable(versions.fetch(champion))  # type: ignore[assignment]
        return retriever.at(view)


@dataclass(frozen=True)
class Judgement:
    """What was measured of a challenger; of the champion too, where there is one that can be asked."""

    test: HeldOut
    challenger: RankingEvaluation
    champion: RankingEvaluation | None
    baseline: RankingEvaluation
    seed: int

    @cached_property
    def segments(self) -> Mapping[str, QuerySegments | ItemSegments]:
        return {
            "history": history_segments(self.test.view.histories.sizes),
            "items": popularity_segments(self.interest),
        }

    @cached_property
    def interest(self) -> Ints:
        """How many users had wanted each item."""
        return np.bincount(self.test.view.histories.items, minlength=len(self.test.view.items))

    @cached_property
    def metrics(self) -> dict[str, float]:
        """Everything measured, under flat names."""
        beyond = beyond_accuracy(self.challenger, self.interest.astype(np.float64))
        metrics = flat_report(self.challenger, self.segments, beyond, self.seed)
        metrics |= {f"baseline/{name}": self.baseline.means[name] for name in TOLD}
        if self.champion:
            metrics |= {f"champion/{name}": self.champion.means[name] for name in TOLD}
        return metrics

    def segment_rows(self) -> list[dict[str, Any]]:
        """The table of segments, as people read it."""
        rows = []
        for kind, segments in self.segments.items():
            for row in segment_table(self.challenger, segments, self.seed):
                told = {name: _rounded(row[name]) for name in TOLD if name in row}
                rows.append({"of": kind, "segment": row["segment"], "users": row["queries"], **told})
        return rows

    def evidence(self, size_bytes: int, export_gap: float | None = None, *, knows_newcomers: bool) -> Evidence:
        """What the gates ask for."""
        own, theirs = self.challenger.metrics[MEASURE], self.champion.metrics[MEASURE] if self.champion else None
        return Evidence(
            measure=MEASURE,
            challenger=float(own.mean()),
            champion=None if theirs is None else float(theirs.mean()),
            gain=None if theirs is None else difference(own, theirs, self.seed),
            gain_on_baseline=difference(own, self.baseline.metrics[MEASURE], self.seed),
            cold_start=self._cold(self.challenger) if knows_newcomers else None,
            champion_cold_start=self._cold(self.champion) if self.champion and knows_newcomers else None,
            size_bytes=size_bytes,
            export_gap=export_gap,
        )

    def _cold(self, evaluation: RankingEvaluation) -> float | None:
        """Recall of items that nobody had wanted before; None where nobody then wanted such."""
        segments = popularity_segments(self.interest)
        found = segments.metrics(evaluation, segments.names.index("cold")).get(COLD_MEASURE)
        return float(found.mean()) if found is not None and len(found) else None


def judged(
    challenger: Scorer, champion: Scorer | None, test: HeldOut, seed: int, baseline: Scorer | None = None
) -> Judgement:
    """All three, each over the whole catalogue; the baseline is what is popular lately, where no other is given."""
    return Judgement(
        test,
        judge_retriever(challenger, test),
        judge_retriever(champion, test) if champion else None,
        judge_retriever(baseline or Popular(test.view), test),
        seed,
    )


def _rounded(found: Interval) -> str:
    return f"{found.mean:.4f} ({found.low:.4f} to {found.high:.4f})"
