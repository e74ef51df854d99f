"""`daybreak import`: data of your own, turned into the landing that the night reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from daybreak.cli.console import console, print_json
from daybreak.settings import load_settings

if TYPE_CHECKING:
    from daybreak.importing.import_summary import ImportSummary


def command(
    path: Annotated[Path, typer.Argument(help="The folder or file to import.")],
    format_name: Annotated[
        str, typer.Option("--format", help="ml-100k, ml-1m or ml-latest; auto looks what the folder holds.")
    ] = "auto",
    mapping: Annotated[
        Path | None, typer.Option(help="A YAML file that says which columns of your files become which of ours.")
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Replace days that are in the landing with other content.")
    ] = False,
    skip_unplaceable: Annotated[
        bool, typer.Option("--skip-unplaceable", help="Leave out, and count, rows whose time cannot be read.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
) -> None:
    """Bring your own data: MovieLens folders, or any CSV, JSON lines or Parquet by a mapping file."""
    from daybreak.importing.importer import ImportOptions, import_data

    settings = load_settings()
    options = ImportOptions(format_name, mapping, replace, skip_unplaceable)
    with _progress(quiet=as_json) as on_progress:
        summary = import_data(path, settings.landing, options, on_progress)
    if as_json:
        print_json(summary.as_json())
    else:
        _print_summary(summary)


@contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[str, int], None]]:
    """A line for each thing being done, with its rows so far."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.completed:,} rows"),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=quiet) as bar:
        tasks = {}

        def advance(doing: str, rows: int) -> None:
            if doing not in tasks:
                tasks[doing] = bar.add_task(doing, total=None)
            bar.advance(tasks[doing], rows)

        yield advance


def _print_summary(summary: ImportSummary) -> None:
    table = Table(title=f"Imported {summary.format} into {escape(summary.landing)}", title_justify="left")
    for name in ("dataset", "rows", "days", "first day", "last day", "skipped"):
        table.add_column(name, justify="right" if name in ("rows", "days", "skipped") else "left")
    for dataset in summary.datasets:
        table.add_row(
            dataset.name,
            f"{dataset.rows:,}",
            f"{dataset.days:,}",
            dataset.first_day,
            dataset.last_day,
            f"{dataset.skipped:,}",
        )
    console.print(table)
    console.print(f"{summary.users:,} users, {summary.items:,} items", soft_wrap=True)
    console.print(
        f"day folders: {summary.new_days:,} new, {summary.unchanged_days:,} unchanged, "
        f"{summary.replaced_days:,} replaced"
    )
    for path, encoding in summary.encodings.items():
        if encoding != "utf-8":
            console.print(f"{escape(path)} was read as {encoding}", soft_wrap=True)
    for note in summary.notes:
        console.print(escape(note), soft_wrap=True)
    console.print(f"\nNext: [bold]{summary.next_command}[/]", soft_wrap=True)
