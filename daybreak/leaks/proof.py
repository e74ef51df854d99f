"""Makes a day's training rows twice, before and after a future was planted, and says what changed.

In a copy of the lake the features of the day's own night and of the two before it are made at once, and then the rows
of the day together with those of the next: so the night that must not be seen yet is there to be read, and outcomes
that came too late are too. Then the future is planted and all is made once more. The features of the night before and
the rows must be the same to the last bit, but for the rows of what was planted; the features of the day's own night
must not, column by column, or the planted rows would prove nothing of them.
"""

from __future__ import annotations

from dataclasses import dataclass

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from daybreak.clock import days_before
from daybreak.datasets import DELIVERIES
from daybreak.duckdb_files import quoted
from daybreak.errors import InputError
from daybreak.features.as_of import AVAILABLE_TS, EVENT_TS
from daybreak.features.declaration import Chosen
from daybreak.features.services import RANKER
from daybreak.features.training import RANKER_ROWS
from daybreak.lake import Lake, Window, rows_digest
from daybreak.leaks.copied import copied, forget
from daybreak.leaks.planting import PLANTED, Planted, plant
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
    `unreached_views` nothing is proved: they have rows, and their own night did not see what was planted either; nor is
    anything of `unreached_features`, single ones of the other views."""

    day: str
    rows: int
    planted: Planted
    moved_rows: int
    moved_columns: dict[str, int]
    moved_views: tuple[str, ...]
    reached_views: tuple[str, ...]
    unreached_views: tuple[str, ...]
    unreached_features: tuple[str, ...]

    @property
    def moved(self) -> bool:
        return bool(self.moved_rows or self.moved_columns or self.moved_views)

    @property
    def holds(self) -> bool:
        return not self.moved and not self.unreached_views


@dataclass(frozen=True)
class Made:
    """What a run made: the day's rows, each view's digest of the night before, and all its rows up to the day's own
    night."""

    rows: pa.Table
    eve: dict[str, str]
    known: dict[str, pa.Table]


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
    moved_rows, moved_columns = _moved(before.rows, after.rows)
    filled = [chosen for chosen in RANKER.chosen if after.known[chosen.view.name].num_rows]
    reached = {chosen.view.name: _reached(chosen, before, after) for chosen in filled}
    return Proof(
        day=day,
        rows=before.rows.num_rows,
        planted=planted,
        moved_rows=moved_rows,
        moved_columns=moved_columns,
        moved_views=tuple(name for name, digest in before.eve.items() if after.eve[name] != digest),
        reached_views=tuple(name for name, features in reached.items() if features),
        unreached_views=tuple(name for name, features in reached.items() if not features),
        unreached_features=tuple(
            chosen.as_of.output(feature)
            for chosen in filled
            for feature in chosen.names
            if reached[chosen.view.name] and feature not in reached[chosen.view.name]
        ),
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
    rows = rows.filter(pc.invert(pc.starts_with(rows["row_id"], PLANTED)))
    tables = {view.name: lake.table(view.dataset) for view in TRIED_VIEWS}
    return Made(
        rows.sort_by("row_id"),
        {name: table.digest(days_before(day, 1)) for name, table in tables.items()},
        {name: table.read(Window(until=day)) for name, table in tables.items()},
    )


def _newest_day(settings: Settings) -> str:
    days = [day for day, rows in Lake.of(settings).table(RANKER_ROWS).days().items() if rows]
    if len(days) < 2:
        raise InputError(
            f"{RANKER_ROWS.name} has rows of {len(days)} days, and a day is tried together with the next: a day gets"
            " rows when its labels are mature, some nights later"
        )
    return days[-2]


def _reached(chosen: Chosen, before: Made, after: Made) -> set[str]:
    """The features that changed of anybody who was known of both times."""
    keys = ", ".join(map(quoted, chosen.view.keys))
    newest = f"QUALIFY row_number() OVER (PARTITION BY {keys} ORDER BY {EVENT_TS} DESC, {AVAILABLE_TS} DESC) = 1"
    changed = ", ".join(f"bool_or(old.{name} IS DISTINCT FROM new.{name})" for name in map(quoted, chosen.names))
    with duckdb.connect() as engine:
        for name, made in (("old", before), ("new", after)):
            engine.register(f"all_{name}", made.known[chosen.view.name])
            engine.execute(f"CREATE VIEW {name} AS FROM all_{name} {newest}")
        [row] = engine.sql(f"SELECT {changed} FROM old JOIN new USING ({keys})").fetchall()
    return {name for name, differs in zip(chosen.names, row, strict=True) if differs}


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
