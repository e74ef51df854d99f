"""`daybreak tables`: what the lake holds."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.measure import Measurement
from rich.table import Table as RichTable

from daybreak.cli.console import as_text, console, print_json
from daybreak.contracts import Dataset
from daybreak.datasets import DATASETS, QUARANTINE, dataset_named
from daybreak.settings import load_settings

DAY_COLUMNS = ("ds", "first", "last")
DIGEST_SHOWN = 19
COMMITS_SHOWN = 20
CELL_SHOWN = 200
WIDE = 10_000


def command(
    name: Annotated[str | None, typer.Argument(help="A dataset, to see its days or its rows.")] = None,
    ds: Annotated[str | None, typer.Option(help="A day of the dataset, to see its rows and digest.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="Rows to show of a day.")] = 20,
    contracts: Annotated[bool, typer.Option(help="Print what every dataset promises.")] = False,
    clean: Annotated[bool, typer.Option(help="Remove data files that no kept version needs.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show the tables of the lake: all, one with its days and history, or the rows of a day."""
    if contracts:
        _show_contracts(as_json)
    elif clean:
        _clean(as_json)
    elif name is None:
        _show_all(as_json)
    elif ds is None:
        _show_one(dataset_named(name), as_json)
    else:
        _show_day(dataset_named(name), ds, limit, as_json)


def _show_all(as_json: bool) -> None:
    from daybreak.lake import Lake

    lake = Lake.of(load_settings())
    rows = []
    for dataset in DATASETS.values():
        table = lake.table(dataset)
        files = table.files()
        days = table.days()
        rows.append(
            {
                "table": dataset.name,
                "rows": sum(days.values()),
                "days": len(days),
                "first": min(days, default=None),
                "last": max(days, default=None),
                "version": table.version(),
                "mb": round(sum(file.bytes for file in files) / 1e6, 2),
            }
        )
    if as_json:
        print_json({"lake": lake.url, "tables": rows})
        return
    sized = [{**row, "mb": f"{row['mb']:.2f}"} for row in rows]
    _print_table(f"Lake {lake.url}", sized, right=("rows", "days", "version", "mb"))


def _show_one(dataset: Dataset, as_json: bool) -> None:
    from daybreak.lake import Lake

    table = Lake.of(load_settings()).table(dataset)
    history: list[dict[str, Any]] = [
        {name: commit.get(name) for name in ("version", "work", "ds", "token", "days")} for commit in table.history()
    ]
    days: list[dict[str, Any]] = [
        {"ds": day, "rows": rows, "digest": table.digest(day)} for day, rows in table.days().items()
    ]
    if as_json:
        print_json({"table": dataset.name, "about": dataset.doc, "days": days, "history": history})
        return
    _print_about(dataset)
    _print_table("Days", [{**day, "digest": f"{day['digest'][:DIGEST_SHOWN]}…"} for day in days], right=("rows",))
    title = "Commits" if len(history) <= COMMITS_SHOWN else f"The newest {COMMITS_SHOWN} of {len(history):,} commits"
    _print_table(title, history[:COMMITS_SHOWN], right=("version", "token"))


def _show_day(dataset: Dataset, ds: str, limit: int, as_json: bool) -> None:
    from daybreak.clock import parse_day
    from daybreak.lake import Lake, Window
    from daybreak.lake.digest import rows_digest

    parse_day(ds)
    table = Lake.of(load_settings()).table(dataset)
    rows = table.read(Window(since=ds, until=ds))
    shown = rows.slice(0, limit).to_pylist()
    if as_json:
        print_json(
            {"table": dataset.name, "ds": ds, "rows": rows.num_rows, "digest": rows_digest(rows), "shown": shown}
        )
        return
    if not shown:
        told = f"{dataset.name} has no row of {ds}; `daybreak tables {dataset.short_name}` shows its days"
        console.print(told, soft_wrap=True)
        return
    if dataset is QUARANTINE:
        counts = (
            rows.group_by(["dataset", "rules"]).aggregate([([], "count_all")]).sort_by([("count_all", "descending")])
        )
        _print_table(
            f"Why, {ds}", counts.rename_columns(["dataset", "rules", "rows"]).to_pylist()[:20], right=("rows",)
        )
    count = f"{rows.num_rows:,} {'row' if rows.num_rows == 1 else 'rows'}"
    first = f", the first {len(shown):,}" if len(shown) < rows.num_rows else ""
    console.print(f"[bold]{dataset.name} of {ds}[/]: {count}{first}")
    _print_rows(shown)


def _show_contracts(as_json: bool) -> None:
    if as_json:
        print_json(
            [
                {
                    "table": dataset.name,
                    "about": dataset.doc,
                    "key": dataset.key,
                    "partition": dataset.partition,
                    "columns": [
                        {
                            "name": c.name,
                            "type": c.type,
                            "nullable": c.nullable,
                            "rules": [r.says() for r in c.rules],
                            "about": c.doc,
                        }
                        for c in dataset.columns
                    ],
                }
                for dataset in DATASETS.values()
            ]
        )
        return
    for dataset in DATASETS.values():
        console.print()
        _print_about(dataset)
        console.print(f"key {', '.join(dataset.key)}; partition {', '.join(dataset.partition)}")
        rows = [
            {
                "column": c.name,
                "type": c.type + ("?" if c.nullable else ""),
                "rules": "; ".join(r.says() for r in c.rules),
                "about": c.doc,
            }
            for c in dataset.columns
        ]
        _print_table("", rows)


def _print_about(dataset: Dataset) -> None:
    console.print(f"[bold]{dataset.name}[/]: {escape(dataset.doc)}", soft_wrap=True)


def _clean(as_json: bool) -> None:
    """Keeps what the newest version and every kept release were built from, and whatever is younger than a week."""
    from daybreak.lake import Lake
    from daybreak.releases import ReleaseStore

    settings = load_settings()
    lake = Lake.of(settings)
    pinned: dict[str, list[int]] = {}
    for release in ReleaseStore(settings.releases).finished():
        for table, version in release.manifest.built_from.get("tables", {}).items():
            pinned.setdefault(table, []).append(version)
    removed = {
        dataset.name: len(lake.table(dataset).clean(pinned.get(dataset.name, []))) for dataset in DATASETS.values()
    }
    if as_json:
        print_json({"removed_files": removed})
    else:
        console.print(f"removed {sum(removed.values()):,} data files that no kept version needs")


def _print_table(title: str, rows: list[dict[str, Any]], right: tuple[str, ...] = ()) -> None:
    if title:
        console.print(f"[bold]{escape(title)}[/]", soft_wrap=True)
    console.print(_table(rows, right) if rows else "nothing yet")


def _print_rows(rows: list[dict[str, Any]]) -> None:
    """Side by side where the columns fit the terminal, else one below the other, each with what it holds."""
    table = _table(rows)
    if Measurement.get(console, console.options.update_width(WIDE), table).maximum <= console.width:
        console.print(table)
        return
    width = max(map(len, rows[0]))
    for row in rows:
        console.print()
        for name, value in row.items():
            if value is not None:
                console.print(f"{name:<{width}}  {_cell(value)}", soft_wrap=True)


def _table(rows: list[dict[str, Any]], right: tuple[str, ...] = ()) -> RichTable:
    table = RichTable(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for number, name in enumerate(rows[0]):
        is_short = number == 0 or name in (*right, *DAY_COLUMNS)
        table.add_column(name, justify="right" if name in right else "left", overflow="fold", no_wrap=is_short)
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    return table


def _cell(value: Any) -> str:
    if value is None:
        return "–"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    text = str(value)
    return as_text(text if len(text) <= CELL_SHOWN else text[:CELL_SHOWN] + "…")
