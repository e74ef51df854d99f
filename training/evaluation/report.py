"""An evaluation as one flat list of named numbers, as a registry of models takes them.

ndcg_at_20, ndcg_at_20_low, ndcg_at_20_high      the mean over queries and its interval
history/light/ndcg_at_20, …/queries              the same of a segment
coverage_at_10, …                                what lists are like
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from daybreak.errors import InputError
from training.evaluation.confidence import DRAWS, Interval, intervals
from training.evaluation.full_catalogue import RankingEvaluation
from training.evaluation.segments import ItemSegments, QuerySegments, segment_table

LEGAL = re.compile(r"[A-Za-z0-9_/]+")


def flat_report(
    evaluation: RankingEvaluation,
    segments: Mapping[str, QuerySegments | ItemSegments],
    beyond: Mapping[str, float],
    seed: int = 0,
    draws: int = DRAWS,
) -> dict[str, float]:
    """All measures under names that are legal wherever metrics are kept; a segment without queries tells only that."""
    report = {"queries": float(len(evaluation.queries)), **_named(intervals(evaluation.metrics, seed, draws), "")}
    for kind, segment in segments.items():
        for row in segment_table(evaluation, segment, seed, draws):
            prefix = f"{kind}/{row.pop('segment')}/"
            report[f"{prefix}queries"] = float(row.pop("queries"))
            report |= _named(row, prefix)
    report |= beyond
    if illegal := sorted(name for name in report if not LEGAL.fullmatch(name)):
        raise InputError(
            f"a metric's name takes letters, digits, underscores and slashes, but there is '{illegal[0]}': "
            "name the segment or the measure otherwise"
        )
    return report


def _named(measured: Mapping[str, Interval], prefix: str) -> dict[str, float]:
    return {
        f"{prefix}{name}{end}": value
        for name, found in measured.items()
        for end, value in (("", found.mean), ("_low", found.low), ("_high", found.high))
    }
