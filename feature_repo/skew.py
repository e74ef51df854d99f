"""Proves that what Feast looks up online is what the feature tables say, value by value.

For each feature service, a sample of entities of each of its views (most with a row that counts, some whose last row
is too old to, and one that nobody knows) is looked up through Feast as a model would: all features at once, those
computed on request for the moment the night was due. The same values are read from the tables' files by another path.
Each pair must be equal to the last bit; moments count in whole seconds, which is how Feast keeps them online. Writes
`online/skew`, values compared and different by service and view; a single difference fails the night, because a model
would be served other numbers than it learned from. The night of an older day compares nothing, as newer values are
online. A second run checks the same sample again.
"""

from __future__ import annotations

from collections import Counter

import pyarrow as pa
from pydantic import Field

from daybreak.clock import due
from daybreak.datasets import DELIVERIES
from daybreak.errors import GateError, InputError
from daybreak.features.online import SKEW
from daybreak.features.services import SERVICES
from daybreak.features.views import VIEWS
from daybreak.lake.schemas import data_schema
from daybreak.step_io import StepIO
from daybreak.steps import Memory, StepConfig, Summary
from feature_repo.comparison import Compared, compare
from feature_repo.online_store import night_after, online_store
from feature_repo.tables import Tables

SHOWN = 5


class SkewConfig(StepConfig):
    """How many entities of each view are compared, and how much memory the search for their rows may take."""

    entities: int = Field(50, ge=1, le=10_000, description="entities of each view that are looked up and compared")
    memory: Memory = "1GB"


def run(config: SkewConfig, io: StepIO) -> Summary:
    """Compares every service."""
    from daybreak.feature_store import open_store

    io.require(DELIVERIES)
    online = online_store(io.settings)
    marks = online.marks()
    if newer := night_after(config.ds, marks):
        return {"checked": 0, "kept": f"{online.place} holds the newer night {newer}"}
    unfilled = [name for name in VIEWS if name not in marks or not marks[name].holds(config.ds)]
    if unfilled:
        raise InputError(
            f"{online.place} does not hold night {config.ds} of {', '.join(unfilled)}; run feature_repo.materialize"
            " for it first"
        )
    store = open_store(io.settings)
    checked: Counter[tuple[str, str]] = Counter()
    different: Counter[tuple[str, str]] = Counter()
    differing: list[Compared] = []
    with io.duckdb(config.memory) as database:
        tables = Tables(io, due(config.ds, io.settings.night_due), database)
        for service in SERVICES.values():
            for compared in compare(service, store, tables, config.entities, io.seed):
                checked[service.name, compared.view] += 1
                if not compared.same:
                    different[service.name, compared.view] += 1
                    differing.append(compared)
    _write(checked, different, io)
    summary = {"checked": checked.total(), "different": different.total()}
    for view in {compared.view for compared in differing} & set(VIEWS):
        online.doubt(view, config.ds)
    if differing:
        raise GateError(
            f"{len(differing)} of {checked.total()} looked-up values differ from the feature tables:"
            f" {'; '.join(compared.told() for compared in differing[:SHOWN])}. Run feature_repo.materialize for"
            f" {config.ds} again, which fills these views anew; if they still differ, something else writes to"
            f" {online.place}",
            summary,
        )
    return summary


def _write(checked: Counter[tuple[str, str]], different: Counter[tuple[str, str]], io: StepIO) -> None:
    rows = [
        {"service": service, "view": view, "checked": number, "different": different[service, view]}
        for (service, view), number in sorted(checked.items())
    ]
    io.write(SKEW, pa.Table.from_pylist(rows, schema=data_schema(SKEW)))
