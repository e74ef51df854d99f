"""`daybreak lineage`: from a release back to the files that were delivered."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.markup import escape
from rich.tree import Tree

from daybreak.cli.console import console, print_json
from daybreak.lineage import LineageBook, RunRecord, Touched
from daybreak.releases import ReleaseStore
from daybreak.settings import load_settings

MOST_FILES = 6


def command(
    release: Annotated[str | None, typer.Argument(help="A release; the live one by default.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what a release was made from: runs, table versions, code, and the delivered files."""
    settings = load_settings()
    store = ReleaseStore(settings.releases)
    found = store.open(release, verify=False) if release else store.current(verify=False)
    manifest = found.manifest
    tables: dict[str, int] = manifest.built_from.get("tables", {})
    runs = LineageBook(settings.lineage).behind(manifest.ds, tables)
    if as_json:
        print_json(
            {
                "release": found.id,
                "ds": manifest.ds,
                "model": manifest.model,
                "built_from": manifest.built_from,
                "runs": [asdict(run) for run in runs],
            }
        )
        return
    code = manifest.built_from.get("code_version") or "–"
    root = Tree(f"[bold]{found.id}[/]  model {escape(manifest.model)}  code {escape(code)}")
    for table, version in tables.items():
        root.add(f"{table} v{version}")
    for run in runs:
        _add(root, run)
    if not runs:
        root.add("the runs that made these tables have left no record here")
    console.print(root, soft_wrap=True)


def _add(root: Tree, run: RunRecord) -> None:
    branch = root.add(f"[bold]{run.step}[/]  attempt {run.attempt}, {run.seconds:.1f} s, code {run.code_version}")
    for output in run.outputs:
        branch.add(f"[green]wrote[/] {output.dataset} v{output.version}: {output.rows:,} rows, {_days(output)}")
    for read in run.inputs:
        if read.version is not None:
            branch.add(f"[cyan]read[/] {read.dataset} v{read.version}, {_days(read)}")
    for path in run.files[-MOST_FILES:]:
        branch.add(f"[cyan]file[/] {escape(path)}")
    if len(run.files) > MOST_FILES:
        branch.add(f"and {len(run.files) - MOST_FILES} earlier files")


def _days(touched: Touched) -> str:
    first, _, last = (touched.days or "").partition(" to ")
    return first if last in ("", first) else f"{first} to {last}"
