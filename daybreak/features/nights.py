"""Up to which night, and which moment, a view tells of its entities."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from daybreak.clock import end_of, moment_of
from daybreak.datasets import DELIVERIES
from daybreak.features.as_of import EVENT_TS
from daybreak.features.declaration import FeatureView
from daybreak.step_io import StepIO

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


def newest_night(view: FeatureView, io: StepIO) -> str | None:
    """The newest night that made a view, even if it found nobody; of states the newest that brought any."""
    with_rows = io.days(view.dataset)
    if not view.nightly:
        return max(with_rows, default=None)
    return max(io.written(view.dataset, sorted({*with_rows, *io.days(DELIVERIES)})), default=None)


def newest_moment(view: FeatureView, io: StepIO, engine: DuckDBPyConnection) -> datetime | None:
    """The end of the newest night that made a view; of states the moment when the latest began."""
    from daybreak.duckdb_files import rows_of

    if view.nightly:
        night = newest_night(view, io)
        return end_of(night) if night else None
    rows = rows_of(engine, view.dataset, io.paths(view.dataset))
    micros = engine.sql(f"SELECT epoch_us(max({EVENT_TS})) FROM {rows}").fetchall()[0][0]
    return None if micros is None else moment_of(micros)
