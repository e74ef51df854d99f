"""Trains the ranker and registers it: of what is shown to a user, what is clicked, put in the cart and bought.

Runs where `training/decisions` says so, on the training rows of the last `row_days`. All days but the last two are
learned from, the one before the last calibrates each head, the last judges. The order that the chances of a purchase
make is held against the order of the retrieval, popularity, boosted trees, and the champion on the same rows. Logged
with curves of calibration before and after, and the forms that it can serve in. A second run of a night learns the same
model.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import Field

from daybreak.features.training import LABELS, MATURITY_DAYS, PURCHASED, RANKER_ROWS
from daybreak.learning import Model
from daybreak.ranking.fitted_ranker import FittedRanker
from daybreak.step_io import StepIO
from daybreak.steps import Summary
from training import ranker_report as told
from training.data.rows import RowFiles
from training.due import due, mature_days
from training.evaluation.confidence import difference
from training.fitting.device import device_of
from training.ranker import RankerConfig, RankerReport, fit_ranker, shown
from training.recording import Checkpoint, compared_with, curves_into, record, standing, summary_of
from training.registry.bundle import Bundle, write_bundle
from training.registry.catalogue import Version
from training.registry.gates import Evidence, GateLimits, judge
from training.registry.tracking import Run
from training.registry.versions import Versions

if TYPE_CHECKING:
    import pandas as pd

MEASURE = "purchase_ndcg_at_10"


class RankerStepConfig(RankerConfig):
    """How the ranker is fitted, on which days, and what a version must keep to."""

    row_days: int = Field(28, ge=3, description="last days of training rows that are learned from")
    maturity_days: int = Field(MATURITY_DAYS, ge=1, description="days after which training rows are told")
    gates: GateLimits = Field(GateLimits(), description="what a version must keep to, to become champion")


def run(config: RankerStepConfig, io: StepIO) -> Summary:
    """Learns, judges, registers."""
    decision = due(io, Model.RANKER)
    if not decision.train:
        return {"trained": False, "because": decision.because}
    versions = Versions.of(io.settings)
    days = mature_days(io, config.maturity_days)[-config.row_days :]
    files = RowFiles.of(io.paths(RANKER_ROWS, since=days[0], until=days[-1]))
    params = config.model_dump(mode="json", exclude={"ds"})
    checkpoint = Checkpoint(io, Model.RANKER, params, files.by_day)
    with versions.registry.run(Model.RANKER, config.ds, {"because": decision.because}, params) as run:
        champion = _champion(versions, config.ds)
        ranker, report = fit_ranker(
            files, config, seed=io.seed, observe=curves_into(run), device=device_of(), checkpoint=checkpoint.path
        )
        with io.scratch() as work:
            ranker.save(work / "files")
            facts = {"trained_until": config.ds, "last_row_day": days[-1], "heads": list(LABELS)}
            paths = {path.name: path for path in sorted((work / "files").iterdir())}
            bundle = write_bundle(work / Model.RANKER, Model.RANKER, params, facts, {}, paths, io.origin)
            rows = shown(files, report.split.test, ranker.encoder)
            evidence = _evidence(report, ranker, champion, files, bundle.size_bytes, io.seed)
            _log(run, report)
            recorded = record(
                versions,
                run,
                io,
                bundle,
                rows.select(list(ranker.encoder.columns)).slice(0, 3).to_pandas(),
                report.metrics | {"ndcg_at_10": evidence.challenger, "ece": evidence.calibration_error or 0.0},
                judge(evidence, config.gates),
                decision.because,
            )
    checkpoint.remove()
    measured = {"ndcg_at_10": round(evidence.challenger, 4), "ece": round(evidence.calibration_error or 0.0, 4)}
    return {"trained": True, **summary_of(recorded, Model.RANKER), **measured}


def _champion(versions: Versions, ds: str) -> tuple[Version, FittedRanker] | None:
    version = standing(versions, Model.RANKER, ds)
    return (version, read(versions.fetch(version)).ranker) if version else None


def _evidence(
    report: RankerReport,
    ranker: FittedRanker,
    champion: tuple[Version, FittedRanker] | None,
    files: RowFiles,
    size_bytes: int,
    seed: int,
) -> Evidence:
    """What the gates ask for; the champion is asked about the same rows, by the features that it knows."""

    def order_of(judged: FittedRanker) -> NDArray[np.float64]:
        rows = shown(files, report.split.test, judged.encoder)
        return told.purchases_first(rows, judged.score(rows)[PURCHASED], seed, report.looked_at)

    own, theirs = order_of(ranker), None
    if champion:
        with compared_with(champion[0]):
            theirs = order_of(champion[1])
    return Evidence(
        measure=MEASURE,
        challenger=float(own.mean()),
        champion=None if theirs is None else float(theirs.mean()),
        gain=None if theirs is None else difference(own, theirs, seed),
        gain_on_baseline=report.order.gains[told.RETRIEVAL],
        calibration_error=max(head.calibrated["ece_equal_mass"] for head in report.heads.values()),
        size_bytes=size_bytes,
        export_gap=report.parity,
    )


def _log(run: Run, report: RankerReport) -> None:
    """Plots and tables, as people look at them."""
    from training.plots import calibration_plot

    run.figure("calibration", calibration_plot({head: (each.raw_curve, each.calibrated_curve) for head, each in
                                                report.heads.items()}))  # fmt: skip
    run.table("heads", _head_rows(report))
    for name, order in (("order", report.order), ("order_as_shown", report.order.as_shown)):
        run.table(name, _order_rows(order) if order else [])
    run.table("places", [{"place": place, "looked_at": share} for place, share in enumerate(report.looked_at.tolist())])
    run.table("forms", [vars(form) for form in report.forms])
    run.table("seconds", [{"part": part, "seconds": seconds} for part, seconds in report.seconds.items()])


def _order_rows(order: told.Ordering) -> list[dict[str, Any]]:
    return [
        {"by": name, "ndcg_at_10": found.mean, "low": found.low, "high": found.high}
        for name, found in order.ndcg.items()
    ]


def _head_rows(report: RankerReport) -> list[dict[str, Any]]:
    rows = []
    for head, found in report.heads.items():
        for stage, metrics in (("raw", found.raw), ("calibrated", found.calibrated), ("trees", found.trees)):
            if metrics:
                rows.append({"head": head, "stage": stage, **metrics})
    return rows


class RankerModel:
    """The ranker of a bundle, as MLflow asks it."""

    def __init__(self, ranker: FittedRanker) -> None:
        self.ranker = ranker

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """The chance of each outcome for each row of features."""
        import pandas as pd

        return pd.DataFrame(self.ranker.score(pa.Table.from_pandas(frame, preserve_index=False)))


def read(bundle: Bundle) -> RankerModel:
    """The ranker of a bundle."""
    return RankerModel(FittedRanker.load(bundle.folder / "files"))
