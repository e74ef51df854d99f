"""`daybreak lineage`: from a release back to the files that were delivered."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer
from rich.tree import Tree

from daybreak.cli.console import console, print_json
from daybreak.lineage import LineageBook, RunRecord
from daybreak.releases import ReleaseStore
from daybreak.settings import load_settings

MOST_FILES = 8


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
    root = Tree(f"[bold]{found.id}[/]  model {manifest.model}  code {manifest.built_from.get('code_version')}")
    for table, version in tables.items():
        root.add(f"{table} version {version}")
    for run in runs:
        _add(root, run)
    console.print(root)


def _add(root: Tree, run: RunRecord) -> None:
    branch = root.add(
        f"[bold]{run.step}[/] {run.ds}  attempt {run.attempt}  {run.seconds:.1f} s  {run.peak_memory_mb:,.0f} MB"
        f"  code {run.code_version}  config {run.config_hash}"
    )
    for output in run.outputs:
        branch.add(f"wrote {output.dataset} version {output.version}: {output.rows:,} rows of {output.days}")
    for read in run.inputs:
        if read.version is not None:
            branch.add(f"read {read.dataset} version {read.version}: {read.days}")
    for path in run.files[:MOST_FILES]:
        branch.add(f"file {path}")
    if len(run.files) > MOST_FILES:
        branch.add(f"and {len(run.files) - MOST_FILES} more files")
