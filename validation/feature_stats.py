"""Tells of each feature how its values are spread tonight, and writes the catalogue of features.

Writes `validation/feature_stats`, one row per view and feature, and `<home>/reports/features.html`, the catalogue page
with every view and feature, its meaning, owner, job, spread and the models that use it. Of a nightly view it looks at
this night's rows, of a view of states at the newest of each entity up to this night. A view that is stale is told in
the summary and on the page, and stops nothing: it was made longer ago than its `fresh_within` allows. A view that was
never made is empty.

Counts and extremes are exact. Quantiles, different values, histograms and most frequent values are exact up to
`sample_rows` rows of a view and beyond them from a sample that the same rows always give. Memory stays within
`memory`; what does not fit goes to the scratch folder meanwhile. A second run of a night replaces its rows with the
same rows; the page shows the night that was run last.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

import pyarrow as pa
from pydantic import Field

from daybreak.datasets import DELIVERIES
from daybreak.features.declaration import FeatureView
from daybreak.features.nights import newest_moment, newest_night
from daybreak.features.statistics import FEATURE_STATS, FeatureStats
from daybreak.features.views import VIEWS
from daybreak.files import write_atomically
from daybreak.lake.schemas import data_schema
from daybreak.step_io import StepIO
from daybreak.steps import Memory, StepConfig, Summary
from validation.feature_values import ViewFiles, ViewRows
from validation.report.features import FEATURES_PAGE, render_features


class FeatureStatsConfig(StepConfig):
    """From how many rows of a view the spread is taken, and the memory it may take."""

    sample_rows: int = Field(
        1_000_000, ge=1, description="rows of a view from which the spread is taken, beyond which a sample is"
    )
    memory: Memory = "1GB"


def run(config: FeatureStatsConfig, io: StepIO) -> Summary:
    """Measures every view, writes what it found, and the page."""
    io.require(DELIVERIES)
    stats = [row for view in VIEWS.values() for row in view_stats(io, view, config)]
    io.write(FEATURE_STATS, pa.Table.from_pylist([asdict(row) for row in stats], data_schema(FEATURE_STATS)))
    page = io.settings.reports / FEATURES_PAGE
    write_atomically(page, render_features(config.ds, io.settings.night_due, stats))
    return {"views": len(VIEWS), "features": len(stats), "stale": _stale(config, io, stats), "page": str(page)}


def view_stats(io: StepIO, view: FeatureView, config: FeatureStatsConfig) -> list[FeatureStats]:
    """A row for each feature of the view."""
    files = _files_of(io, view)
    with io.duckdb(config.memory) as engine:
        found = ViewRows(view, files, engine)
        counted = found.counted()
        looked_at = found.take_sample(counted["rows"], config.sample_rows)
        newest_event_ts = newest_moment(view, io, engine)
        measured = {feature: found.measured(feature) for feature in view.features}
    return [
        FeatureStats(
            view=view.name,
            feature=feature.name,
            type=feature.type.value,
            null_share=values["nulls"] / counted["rows"] if counted["rows"] else None,
            newest_night=files.newest_night,
            newest_event_ts=newest_event_ts,
            **counted,
            **looked_at,
            **values,
        )
        for feature, values in measured.items()
    ]


def _files_of(io: StepIO, view: FeatureView) -> ViewFiles:
    newest = newest_night(view, io)
    if newest is None:
        return ViewFiles(None, [], are_of_tonight=False)
    paths = io.paths(view.dataset, since=newest if view.nightly else None)
    return ViewFiles(newest, paths, are_of_tonight=newest == io.ds)


def _stale(config: FeatureStatsConfig, io: StepIO, stats: Sequence[FeatureStats]) -> str:
    """Which views are stale, and why."""
    of_views = {row.view: row.freshness(config.ds, io.settings.night_due) for row in stats}
    told = {name: freshness.why_stale(VIEWS[name]) for name, freshness in of_views.items()}
    return "; ".join(f"{name}: {why}" for name, why in told.items() if why) or "none"
