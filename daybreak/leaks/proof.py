"""Makes a day's training rows twice, before and after a future was planted, and says what changed.

In a copy of the lake the features of the day's own night and of the two before it are made at once, and then the rows
of the day together with those of the next: so the night that must not be seen yet is there to be read, and outcomes
that came too late are too. Then the future is planted and all is made once more. The features of the night before and
the rows must be the same to the last bit; the features of the day's own night must not, or the planted rows would prove
nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from daybreak.clock import days_before
from daybreak.datasets import DELIVERIES
from daybreak.errors import InputError
from daybreak.features.services import RANKER
from daybreak.features.training import RANKER_ROWS
from daybreak.lake import Lake, Window, rows_digest
from daybreak.leaks.copied import copied, forget
from daybreak.leaks.planting import Planted, plant
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named

TRAINING = "jobs.training_set"
TRIED_VIEWS = tuple(chosen.view for chosen in RANKER.chosen)
FEATURE_STEPS = tuple(view.made_by for view in TRIED_VIEWS)
COUNTS = "jobs.partials"
NIGHTS_BEFORE = 2


@dataclass(frozen=True)
class Proof:
    """What became of a day's rows: `moved_rows` were not there before or are gone since, and `moved_columns` tells in
    how many rows a column changed; `moved_views` saw something on the night before that came after it. Of
    `unreached_views` nothing is proved: their own night has rows, and did not see what was planted either."""

    day: str
    rows: int
    planted: Planted
    moved_rows: int
    moved_columns: dict[str, int]
    moved_views: tuple[str, ...]
    reached_views: tuple[str, ...]
    unreached_views: tuple[str, ...]

    @property
    def moved(self) -> bool:
        return bool(self.moved_rows or self.moved_columns or self.moved_views)

    @property
    def holds(self) -> bool:
        return not self.moved and not self.unreached_views


@dataclass(frozen=True)
class Made:
    """What a run made: the day's rows, and each view's digest of the night before and of the day's own night."""

    rows: pa.Table
    eve: dict[str, str]
    night: dict[str, str]


def prove(settings: Settings, day: str | None = None) -> Proof:
    """Tries the newest day of training rows that has one after it, or the one named."""
    day = day or _newest_day(settings)
    config = step_named(TRAINING).configure(day, settings.steps.get(TRAINING, {}))
    maturity_days = int(config.model_dump()["maturity_days"])
    with copied(settings, NIGHTS_BEFORE) as copy:
        _refuse_untried(copy, day, maturity_days)
        before = _make(copy, day, maturity_days)
        planted = plant(Lake.of(copy), before.rows, day, maturity_days)
        after = _make(copy, day, maturity_days)
        filled = [view.name for view in TRIED_VIEWS if Lake.of(copy).table(view.dataset).days().get(day)]
    moved_rows, moved_columns = _moved(before.rows, after.rows)
    reached = _unequal(before.night, after.night)
    return Proof(
        day=day,
        rows=before.rows.num_rows,
        planted=planted,
        moved_rows=moved_rows,
        moved_columns=moved_columns,
        moved_views=_unequal(before.eve, after.eve),
        reached_views=reached,
        unreached_views=tuple(name for name in filled if name not in reached),
    )


def _refuse_untried(settings: Settings, day: str, maturity_days: int) -> None:
    lake = Lake.of(settings)
    if not lake.table(RANKER_ROWS).days(Window(day, day)).get(day):
        raise InputError(
            f"{day} has no training rows to try; `daybreak tables {RANKER_ROWS.name}` shows which days have"
        )
    needed = days_before(day, -maturity_days - 1)
    if not lake.table(DELIVERIES).was_written(needed):
        raise InputError(
            f"{day} is tried together with the next day, whose labels are mature once night {needed} was landed; name"
            " an earlier day"
        )


def _make(copy: Settings, day: str, maturity_days: int) -> Made:
    """Makes everything anew, as the first run of a lake would, except for partials, which are of one night each."""
    made = [step_named(name) for name in (*FEATURE_STEPS, TRAINING)]
    forget(copy, (dataset for step in made for dataset in step.writes))
    run_steps([step_named(name) for name in (COUNTS, *FEATURE_STEPS)], day, copy)
    run_steps([step_named(TRAINING)], days_before(day, -maturity_days - 1), copy)
    lake = Lake.of(copy)
    rows = lake.table(RANKER_ROWS).read(Window(day, day))
    eve = days_before(day, 1)
    return Made(rows.sort_by("row_id"), _digests(lake, eve), _digests(lake, day))


def _newest_day(settings: Settings) -> str:
    days = [day for day, rows in Lake.of(settings).table(RANKER_ROWS).days().items() if rows]
    if len(days) < 2:
        raise InputError(
            f"{RANKER_ROWS.name} has rows of {len(days)} days, and a day is tried together with the next: a day gets"
            " rows when its labels are mature, some nights later"
        )
    return days[-2]


def _digests(lake: Lake, night: str) -> dict[str, str]:
    return {view.name: lake.table(view.dataset).digest(night) for view in TRIED_VIEWS}


def _unequal(before: dict[str, str], after: dict[str, str]) -> tuple[str, ...]:
    return tuple(name for name, digest in before.items() if after[name] != digest)


def _moved(old: pa.Table, new: pa.Table) -> tuple[int, dict[str, int]]:
    """How many rows came or went, and in how many of the others each column changed."""
    if rows_digest(old) == rows_digest(new):
        return 0, {}
    stayed_old = old.filter(pc.is_in(old.column("row_id"), new.column("row_id")))
    stayed_new = new.filter(pc.is_in(new.column("row_id"), old.column("row_id")))
    moved_rows = old.num_rows + new.num_rows - 2 * stayed_old.num_rows
    changes = {name: _changes(stayed_old.column(name), stayed_new.column(name)) for name in old.column_names}
    return moved_rows, {name: number for name, number in changes.items() if number}


def _changes(old: pa.ChunkedArray, new: pa.ChunkedArray) -> int:
    if old.equals(new):
        return 0
    return sum(before != after for before, after in zip(old.to_pylist(), new.to_pylist(), strict=True))
