"""What a fitted ranker is worth on days that it has not seen, beside what it must beat.

Everything is measured on what was shown on the test days. Heads are measured as probabilities, before and after
calibration. The order is that of purchases within what a user was shown on a day, by NDCG@10: of the ranker, of the
trees (by their purchases, and by all their heads together), of the retrieval's own order, and of popularity. As what
stands on top is bought for standing there, purchases count the more the less their place is looked at; beside it stands
the same with all purchases alike. Users and days are drawn again for the intervals, the same for all, so differences
are paired.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from daybreak.contracts import DS
from daybreak.features.training import CLICKED, PURCHASED
from daybreak.ranking.calibrator import sigmoid
from training.evaluation.binary import Calibration, binary_metrics, calibration
from training.evaluation.confidence import Interval, difference, intervals
from training.evaluation.grouped import grouped_ndcg
from training.evaluation.places import PLACES, looks, seldom_seen
from training.export.forms import Form

Floats = NDArray[np.float64]
TOP = 10
RANKER, TREES, TREES_TOGETHER, RETRIEVAL, POPULARITY = "ranker", "trees", "trees_together", "retrieval", "popularity"
POPULAR_BY = "item_activity__interest_7d"


@dataclass(frozen=True)
class HeadReport:
    """One head on the test days: probabilities and curves as the model says them and as they are served."""

    raw: dict[str, float]
    calibrated: dict[str, float]
    trees: dict[str, float]
    raw_curve: Calibration
    calibrated_curve: Calibration


@dataclass(frozen=True)
class Ordering:
    """NDCG@10 by whose order it is, how much higher the ranker's is, and over how many groups. `as_shown` has the same
    where purchases count alike wherever they stood."""

    groups: int
    ndcg: dict[str, Interval]
    gains: dict[str, Interval]
    as_shown: Ordering | None = None


def head_report(
    labels: NDArray[np.float32], logits: NDArray[np.float32], served: Floats, trees: Floats | None
) -> HeadReport:
    """One head's figures."""
    raw = sigmoid(logits.astype(np.float64))
    return HeadReport(
        raw=binary_metrics(labels, raw),
        calibrated=binary_metrics(labels, served),
        trees={} if trees is None else binary_metrics(labels, trees),
        raw_curve=calibration(labels, raw),
        calibrated_curve=calibration(labels, served),
    )


def ordering(
    rows: pa.Table,
    ranked: Floats,
    trees: Mapping[str, Floats],
    retrieval_column: str | None,
    seed: int,
    draws: int,
    looked_at: Floats | None = None,
) -> Ordering:
    """Whose order of the shown rows puts what was bought first. Rows that tie stand in a drawn order."""
    scores = {RANKER: ranked, **orders(rows, retrieval_column)}
    if trees:
        scores[TREES] = trees[PURCHASED]
        scores[TREES_TOGETHER] = np.sum([np.log(each) - np.log1p(-each) for each in trees.values()], axis=0)
    values = {name: purchases_first(rows, score, seed, looked_at) for name, score in scores.items()}
    return Ordering(
        groups=len(values[RANKER]),
        ndcg=intervals(values, seed, draws),
        gains={
            name: difference(values[RANKER], value, seed, draws) for name, value in values.items() if name != RANKER
        },
        as_shown=None if looked_at is None else ordering(rows, ranked, trees, retrieval_column, seed, draws),
    )


def looks_of(rows: pa.Table, likely: Floats) -> Floats:
    """How often each place of the shelves is looked at, where these are the chances of a click by features alone."""
    return looks(_places(rows), rows[CLICKED].to_numpy(), likely)


def orders(rows: pa.Table, retrieval_column: str | None) -> dict[str, Floats]:
    """The orders that need no model: of the retrieval, by its score or by the places rows were shown at; popularity."""
    if retrieval_column is not None:
        retrieval = pc.fill_null(rows[retrieval_column].cast(pa.float64()), -np.inf).to_numpy()
    else:
        retrieval = -pc.fill_null(rows["position"].cast(pa.float64()), np.inf).to_numpy()
    popular = pc.fill_null(rows[POPULAR_BY].cast(pa.float64()), 0.0).to_numpy()
    return {RETRIEVAL: retrieval, POPULARITY: popular}


def purchases_first(rows: pa.Table, scores: Floats, seed: int, looked_at: Floats | None = None) -> Floats:
    """NDCG@10 of the purchases of each user and day that has any; groups in one order for all scores."""
    drawn = np.random.default_rng(seed).permutation(rows.num_rows)
    bought = rows[PURCHASED].to_numpy().astype(np.float64)
    if looked_at is not None:
        bought *= seldom_seen(_places(rows), looked_at)
    return grouped_ndcg(groups_of(rows)[drawn], scores[drawn], bought[drawn], TOP).values


def _places(rows: pa.Table) -> NDArray[np.int64]:
    return pc.fill_null(rows["position"].cast(pa.int64()), PLACES).to_numpy()


def groups_of(rows: pa.Table) -> NDArray[np.int64]:
    """A number for each user and day."""
    names = pc.binary_join_element_wise(rows["user_id"], rows[DS], " ")
    return names.combine_chunks().dictionary_encode().indices.to_numpy().astype(np.int64)


def flat(
    heads: Mapping[str, HeadReport],
    order: Ordering,
    forms: Sequence[Form],
    parity: float,
    likings: Mapping[str, float],
) -> dict[str, float]:
    """All figures under names as metrics are logged by."""
    found: dict[str, float] = {"onnx_parity": parity, "groups": float(order.groups)}
    found |= {f"{head}/likings_share": share for head, share in likings.items()}
    for head, report in heads.items():
        for stage, metrics in (("raw", report.raw), ("calibrated", report.calibrated), (TREES, report.trees)):
            found |= {f"{head}/{stage}/{name}": value for name, value in metrics.items()}
    for prefix, each in (("", order), ("as_shown/", order.as_shown)):
        if each:
            for name, interval in each.ndcg.items():
                found |= _named(f"{prefix}ndcg_at_10/{name}", interval)
            for name, interval in each.gains.items():
                found |= _named(f"{prefix}ndcg_at_10_gain_over/{name}", interval)
    for form in forms:
        found |= {
            f"forms/{form.name}/size_bytes": float(form.size_bytes),
            f"forms/{form.name}/microseconds_per_1000_rows": form.microseconds_per_1000_rows,
            f"forms/{form.name}/ndcg_at_10": form.quality,
        }
    return found


def _named(name: str, interval: Interval) -> dict[str, float]:
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}
