"""Imports a folder or file into the landing: recognises it, sorts its rows into days, and moves them in as a whole.

Nothing of the landing changes until everything is written; the same input gives the same bytes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from daybreak.datasets import EVENTS
from daybreak.errors import InputError
from daybreak.importing.column_rules import ColumnRule
from daybreak.importing.day_files import DaySpill, write_day_files
from daybreak.importing.delivery_rows import delivery_rows
from daybreak.importing.import_summary import DatasetSummary, ImportSummary
from daybreak.importing.mapping import load_mapping
from daybreak.importing.move_in import NEW, Moved, move_in, staging_folder
from daybreak.importing.movielens import FORMATS, plan_movielens
from daybreak.importing.sources import ImportPlan, Source
from daybreak.importing.timestamps import write_days

OnProgress = Callable[[str, int], None]
"""Told of every batch: what is being done, and with how many more rows."""

USER_COLUMNS = ("user_id", "src_user_id", "dst_user_id")
ITEM_COLUMNS = ("item_id",)


@dataclass(frozen=True)
class ImportOptions:
    """How to import. A mapping decides alone; without one the folder must be of a known format."""

    format: str = "auto"
    mapping: Path | None = None
    replace: bool = False
    skip_unplaceable: bool = False


class Ids:
    """The distinct users and items of an import."""

    def __init__(self) -> None:
        self.users: set[str] = set()
        self.items: set[str] = set()

    def note(self, columns: dict[str, pa.Array]) -> None:
        for names, ids in ((USER_COLUMNS, self.users), (ITEM_COLUMNS, self.items)):
            for name in names:
                if name in columns:
                    ids.update(pc.unique(columns[name]).drop_null().to_pylist())


def import_data(
    path: Path, landing: Path, options: ImportOptions, on_progress: OnProgress = lambda *_: None
) -> ImportSummary:
    """Turns what lies at `path` into deliveries in `landing`."""
    plan = _plan(path, options)
    ids = Ids()
    try:
        with staging_folder(landing) as staging:
            datasets = _write_all(plan, staging, options, ids, on_progress)
            moved = move_in(staging, landing, options.replace)
            plan = replace(plan, notes=plan.notes + _later_days(plan, landing, datasets[0].last_day))
    except OSError as error:
        raise InputError(
            f"the import could not write to {landing}: {error.strerror or error}; nothing was changed, "
            "so make room or allow writing there and run the same command again"
        ) from None
    return _summary(plan, landing, datasets, ids, moved)


def _plan(path: Path, options: ImportOptions) -> ImportPlan:
    if not path.exists():
        raise InputError(f"there is nothing at {path}: name the folder or file to import")
    if options.format not in FORMATS:
        raise InputError(f"there is no format '{options.format}'; there are {', '.join(FORMATS)}")
    if options.mapping is None:
        return plan_movielens(path, options.format)
    if options.format != "auto":
        raise InputError(f"a mapping says by itself what the files are: leave out --format {options.format}")
    return load_mapping(options.mapping, path)


def _write_all(
    plan: ImportPlan, staging: Path, options: ImportOptions, ids: Ids, on_progress: OnProgress
) -> list[DatasetSummary]:
    """Events come first, because what has no time of its own is delivered on their first day."""
    summaries: list[DatasetSummary] = []
    for source in plan.sources:
        first_event_day = summaries[0].first_day if plan.sources[0].dataset is EVENTS and summaries else None
        timed = _with_time(source, first_event_day)
        summaries.append(_write_dataset(timed, staging, options.skip_unplaceable, ids, on_progress))
    return summaries


def _with_time(source: Source, first_event_day: str | None) -> Source:
    assert source.dataset.delivery is not None
    time_column, name = source.dataset.delivery.time_column, source.dataset.short_name
    if time_column in source.rules:
        return source
    if first_event_day is None:
        raise InputError(
            f"{name} have no {time_column} and there are no events to take a first day from: map {name}.{time_column}"
        )
    return replace(source, rules={**source.rules, time_column: ColumnRule(value=first_event_day)})


def _write_dataset(
    source: Source, staging: Path, skip_unplaceable: bool, ids: Ids, on_progress: OnProgress
) -> DatasetSummary:
    name = source.dataset.short_name
    spill = DaySpill(staging / f"{name}.lines")
    skipped = 0
    try:
        for rows in delivery_rows(source, skip_unplaceable):
            spill.add(rows.lines, rows.days)
            ids.note(rows.columns)
            skipped += rows.unplaceable
            on_progress(f"reading {name}", len(rows.lines))
        if not spill.days():
            raise InputError(_nothing_left(source, skipped))
        rows_of = dict(zip(write_days(spill.days()), (spill.rows[day] for day in spill.days()), strict=True))
        days = write_day_files(spill, staging / NEW / name, lambda day: on_progress(f"writing {name}", rows_of[day]))
    finally:
        spill.close()
        (staging / f"{name}.lines").unlink()
    return DatasetSummary(name, sum(spill.rows.values()), len(days), days[0], days[-1], skipped)


def _nothing_left(source: Source, skipped: int) -> str:
    files = ", ".join(str(file.path) for file in source.files[:3]) + (" …" if len(source.files) > 3 else "")
    why = "check 'where' in the mapping" if source.where else "deliver the rows, or leave the dataset out"
    if skipped:
        why = f"{skipped} rows without a time were skipped"
    return f"{source.dataset.short_name}: no row is left to import of {files}: {why}"


def _later_days(plan: ImportPlan, landing: Path, last_day: str) -> tuple[str, ...]:
    """A note where the landing holds events of later days than those imported, such as those of a simulated world."""
    days = [path.name.removeprefix("ds=") for path in (landing / EVENTS.short_name).glob("ds=????-??-??")]
    if plan.sources[0].dataset is not EVENTS or max(days) <= last_day:
        return ()
    return (
        f"the landing also holds later days of events, up to {max(days)}: `daybreak nightly` alone runs that one; "
        "data that do not belong together need a home each (DAYBREAK_HOME)",
    )


def _summary(plan: ImportPlan, landing: Path, datasets: list[DatasetSummary], ids: Ids, moved: Moved) -> ImportSummary:
    files = [file for source in plan.sources for file in source.files]
    return ImportSummary(
        format=plan.format,
        landing=str(landing),
        datasets=tuple(datasets),
        users=len(ids.users),
        items=len(ids.items),
        new_days=moved.new,
        unchanged_days=moved.unchanged,
        replaced_days=moved.replaced,
        encodings={str(file.path): file.encoding for file in files if file.encoding is not None},
        notes=plan.notes,
    )
