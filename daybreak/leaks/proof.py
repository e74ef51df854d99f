"""Makes a day's training rows twice, before and after a future was planted, and says what changed.

In a copy of the lake the features of the night before the day are made again, those of the day's own night, and then
the rows. Then the future is planted and all three are made once more. The features of the night before and the rows
must be the same to the last bit; those of the day's own night must not, or the planted rows would prove nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from daybreak.clock import days_before
from daybreak.errors import InputError
from daybreak.features.services import RANKER
from daybreak.features.training import RANKER_ROWS
from daybreak.lake import Lake, Table, Window
from daybreak.leaks.copied import copied
from daybreak.leaks.planting import Planted, plant
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named

TRAINING = "jobs.training_set"
VIEWS = tuple(chosen.view for chosen in RANKER.chosen)
FEATURES = ("jobs.partials", *(view.made_by for view in VIEWS))


@dataclass(frozen=True)
class Proof:
    """What became of a day's rows: `moved_rows` were not there before or are gone since, and `moved_columns` tells in
    how many rows a column changed; `moved_views` saw something on the night before that came after it."""

    day: str
    rows: int
    planted: Planted
    moved_rows: int
    moved_columns: dict[str, int]
    moved_views: tuple[str, ...]
    reached_views: tuple[str, ...]

    @property
    def holds(self) -> bool:
        return not (self.moved_rows or self.moved_columns or self.moved_views)


def prove(settings: Settings, day: str | None = None) -> Proof:
    """Tries the newest day of training rows, or the one named."""
    day = day or _newest_day(settings)
    config = step_named(TRAINING).configure(day, settings.steps.get(TRAINING, {}))
    maturity_days = int(config.model_dump()["maturity_days"])
    eve, mature = days_before(day, 1), days_before(day, -maturity_days)
    with copied(settings) as copy:
        lake = Lake.of(copy)
        table = lake.table(RANKER_ROWS)

        def make() -> tuple[dict[str, str], dict[str, str], int | None]:
            run_steps([step_named(name) for name in FEATURES], eve, copy)
            run_steps([step_named(name) for name in FEATURES], day, copy)
            run_steps([step_named(TRAINING)], mature, copy)
            return _digests(lake, eve), _digests(lake, day), table.version()

        eve_before, day_before, version = make()
        rows = table.read(Window(day, day))
        if not rows.num_rows:
            raise InputError(f"{day} has no training rows to try; name a day of `daybreak tables {RANKER_ROWS.name}`")
        planted = plant(lake, rows, day, maturity_days)
        eve_after, day_after, _ = make()
        moved_rows, moved_columns = _moved(table, day, version)
    return Proof(
        day=day,
        rows=rows.num_rows,
        planted=planted,
        moved_rows=moved_rows,
        moved_columns=moved_columns,
        moved_views=_unequal(eve_before, eve_after),
        reached_views=_unequal(day_before, day_after),
    )


def _newest_day(settings: Settings) -> str:
    days = [day for day, rows in Lake.of(settings).table(RANKER_ROWS).days().items() if rows]
    if not days:
        raise InputError(
            f"{RANKER_ROWS.name} has no rows yet: a day gets them when its labels are mature, some nights later"
        )
    return days[-1]


def _digests(lake: Lake, night: str) -> dict[str, str]:
    return {view.name: lake.table(view.dataset).digest(night) for view in VIEWS}


def _unequal(before: dict[str, str], after: dict[str, str]) -> tuple[str, ...]:
    return tuple(name for name, digest in before.items() if after[name] != digest)


def _moved(table: Table, day: str, before: int | None) -> tuple[int, dict[str, int]]:
    """How many rows came or went, and in how many of the others each column changed."""
    if table.digest(day) == table.digest(day, version=before):
        return 0, {}
    old, new = (_by_id(table, day, version) for version in (before, None))
    stayed_old = old.filter(pc.is_in(old.column("row_id"), new.column("row_id")))
    stayed_new = new.filter(pc.is_in(new.column("row_id"), old.column("row_id")))
    moved_rows = old.num_rows + new.num_rows - 2 * stayed_old.num_rows
    changes = {name: _changes(stayed_old.column(name), stayed_new.column(name)) for name in old.column_names}
    return moved_rows, {name: number for name, number in changes.items() if number}


def _by_id(table: Table, day: str, version: int | None) -> pa.Table:
    return table.read(Window(day, day), version=version).sort_by("row_id")


def _changes(old: pa.ChunkedArray, new: pa.ChunkedArray) -> int:
    if old.equals(new):
        return 0
    return sum(before != after for before, after in zip(old.to_pylist(), new.to_pylist(), strict=True))
