"""`daybreak releases`: what is live, what could be, and moving between them."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

from daybreak.cli.console import console, print_json
from daybreak.errors import ReleaseError
from daybreak.releases import Release, ReleaseStore
from daybreak.releases.manifest import day_of
from daybreak.releases.pointer import Pointer
from daybreak.settings import load_settings

app = typer.Typer(help="List, show, publish, roll back, pin and clean up releases.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
FIRST_NIGHT = "run a night: daybreak nightly"
Reason = Annotated[str, typer.Option(help="Why, for those who read the history.")]


def _store() -> ReleaseStore:
    return ReleaseStore(load_settings().releases)


def _describe(release: Release, pointer: Pointer | None) -> dict[str, Any]:
    checks = release.checks
    state = "unaudited" if checks is None else "good" if release.is_good else "failed audit"
    live = pointer is not None and pointer.release == release.id
    return {
        "release": release.id,
        "state": ("live, pinned" if pointer and pointer.pinned else "live") if live else state,
        "ds": release.manifest.ds,
        "model": release.manifest.model,
        "surfaces": list(release.manifest.surfaces),
        "lists": sum(entry.rows for entry in release.manifest.files.values()),
        "mb": round(sum(entry.bytes for entry in release.manifest.files.values()) / 1e6, 2),
    }


def _describe_or_say(release_id: str, store: ReleaseStore, pointer: Pointer | None) -> dict[str, Any]:
    """A release whose manifest or audit cannot be read is listed as such, beside the others."""
    try:
        return _describe(store.open(release_id, verify=False), pointer)
    except ReleaseError as error:
        nothing: dict[str, Any] = {"model": None, "surfaces": [], "lists": None, "mb": None, "error": str(error)}
        return {"release": release_id, "state": "damaged", "ds": day_of(release_id), **nothing}


@app.command("list")
def list_releases(as_json: Json = False) -> None:
    """Show every release that is kept, the newest day first."""
    store = _store()
    try:
        pointer, torn = store.pointer(), None
    except ReleaseError as error:
        pointer, torn = None, error
    rows = [_describe_or_say(release_id, store, pointer) for release_id in store.ids()]
    if as_json:
        print_json(rows)
    elif rows:
        _print_rows(rows)
    else:
        console.print(f"no release yet in {escape(str(store.folder))}; {FIRST_NIGHT}", soft_wrap=True)
    if torn is not None:
        raise torn


def _print_rows(rows: list[dict[str, Any]]) -> None:
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in ("release", "state", "model", "lists", "mb"):
        table.add_column(name, justify="right" if name in ("lists", "mb") else "left", no_wrap=True)
    for row in rows:
        style = "bold green" if row["state"].startswith("live") else ""
        sizes = ("–", "–") if row["lists"] is None else (f"{row['lists']:,}", f"{row['mb']:.1f}")
        table.add_row(row["release"], row["state"], escape(row["model"] or "–"), *sizes, style=style)
    console.print(table)
    for row in rows:
        if "error" in row:
            console.print(escape(row["error"]), soft_wrap=True)


@app.command()
def show(
    release: Annotated[str, typer.Argument(help="A release, or the beginning of its id.")], as_json: Json = False
) -> None:
    """Verify one release and show its files, audit and origin."""
    store = _store()
    found = store.open(release)
    checks = [vars(check) for check in found.checks or []]
    document = {
        **_describe(found, store.pointer()),
        "files": {name: vars(entry) for name, entry in found.manifest.files.items()},
        "checks": checks,
        "built_from": found.manifest.built_from,
        "content_digest": found.manifest.content_digest,
    }
    if as_json:
        print_json(document)
        return
    lines = [f"{found.id}  {document['state']}  day {found.manifest.ds}  model {found.manifest.model}"]
    for name, entry in found.manifest.files.items():
        lines.append(
            f"  file   {name}  {entry.bytes:,} bytes  {entry.rows:,} lists  sha256 {entry.sha256[:16]}…  verified"
        )
    for check in checks:
        detail = f" ({check['detail']})" if check["detail"] else ""
        lines.append(f"  audit  {check['name']}: {'passed' if check['passed'] else 'FAILED'}{detail}")
    for name, told in found.manifest.built_from.get("models", {}).items():
        lines.append(f"  model  {name} version {told['version']}, learned until {told['trained_until']}")
    for table, version in found.manifest.built_from.get("tables", {}).items():
        lines.append(f"  from   {table} version {version}")
    lines.append(f"  code   {found.manifest.built_from.get('code_version') or '–'}")
    for line in lines:
        console.print(escape(line), soft_wrap=True)


@app.command()
def history(as_json: Json = False) -> None:
    """Show every flip: when, to which release, and why."""
    store = _store()
    pointer = store.pointer()
    flips = [vars(flip) for flip in reversed(pointer.history)] if pointer else []
    if as_json:
        print_json(flips)
        return
    if not flips:
        console.print(f"nothing was published yet in {escape(str(store.folder))}; {FIRST_NIGHT}", soft_wrap=True)
    for flip in flips:
        told = f"{flip['at']}  {flip['action']:<8}  {flip['release']}  {flip['reason']}"
        console.print(escape(told), soft_wrap=True)


@app.command()
def publish(
    release: Annotated[str, typer.Argument(help="An audited release.")], reason: Reason, as_json: Json = False
) -> None:
    """Make an audited release live."""
    _say(_store().publish(release, reason=reason), "is live", as_json)


@app.command()
def rollback(
    reason: Reason,
    to: Annotated[str | None, typer.Option(help="A release other than the one live before.")] = None,
    pin: Annotated[bool, typer.Option(help="Hold it against the nights to come, until `unpin`.")] = True,
    as_json: Json = False,
) -> None:
    """Make the release that was live before live again."""
    _say(_store().rollback(reason=reason, to=to, pin=pin), "is live again" + (", pinned" if pin else ""), as_json)


@app.command()
def pin(reason: Reason, as_json: Json = False) -> None:
    """Hold what is live: no night moves it until `unpin`."""
    pointer = _store().pin(reason=reason)
    _say(_store().open(pointer.release, verify=False), "is pinned", as_json)


@app.command()
def unpin(reason: Reason, as_json: Json = False) -> None:
    """Let the next night move what is live."""
    pointer = _store().pin(reason=reason, pinned=False)
    _say(_store().open(pointer.release, verify=False), "is not pinned any more", as_json)


@app.command()
def clean(as_json: Json = False) -> None:
    """Remove all but the releases that are kept."""
    removed = _store().collect(load_settings().keep_releases)
    if as_json:
        print_json({"removed": removed})
    else:
        console.print(f"removed {len(removed)}: {', '.join(removed) or 'none'}")


def _say(release: Release, what: str, as_json: bool) -> None:
    if as_json:
        print_json(_describe(release, _store().pointer()))
    else:
        console.print(f"[bold]{release.id}[/] {what}")
