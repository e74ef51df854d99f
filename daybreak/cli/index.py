"""`daybreak index`: build it, search it, compare releases, choose what it is built as, roll it back."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from daybreak.cli.console import as_text, console, print_json
from daybreak.settings import load_settings
from daybreak.targets import load

ASKING, SPACES = "indexing.asking", "indexing.spaces:Space"
SHOWN = 8
app = typer.Typer(help="Build, search, compare, choose and roll back indexes.", no_args_is_help=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
ReleaseId = Annotated[str | None, typer.Option("--release", help="A release other than the live one.")]
Shown = Annotated[int, typer.Option(min=1, max=1_000, help="How many to show.")]
Exact = Annotated[bool, typer.Option("--exact", help="Pass the index by: what it should have found.")]


class SpaceName(StrEnum):
    """What is asked."""

    FOR_USERS = "for_users"
    FOR_ITEMS = "for_items"


class EntityName(StrEnum):
    """Whose vector it is."""

    USER = "user"
    ITEM = "item"


def _ask(name: str, *arguments: Any, **options: Any) -> Any:
    return load(f"{ASKING}:{name}")(load_settings(), *arguments, **options)


@app.command("list")
def list_releases(as_json: Json = False) -> None:
    """Show every release of the index: what is live, of which model, how fresh."""
    rows = _ask("releases")
    if as_json:
        print_json(rows)
        return
    if not rows:
        console.print("no index yet; a night with a champion builds one: daybreak nightly")
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("release", "state", "version", "items", "since", "fresh until"):
        table.add_column(column, no_wrap=True)
    for row in rows:
        table.add_row(*_cells(row), style="bold green" if row["live"] else "")
    console.print(table)
    for row in (each for each in rows if "error" in each):
        console.print(as_text(row["error"]), soft_wrap=True)


def _cells(row: dict[str, Any]) -> tuple[str, ...]:
    if "error" in row:
        return (row["release"], "damaged", "–", "–", "–", "–")
    state = "live" if row["live"] else "good" if row["good"] else "not good"
    came = row["since_the_night"]
    changes = f"+{came['items']} −{came['gone']}"
    return (
        row["release"],
        state,
        str(row["version"]),
        f"{row['items']:,}",
        changes,
        row["fresh_until"][:16].replace("T", " "),
    )


@app.command()
def show(
    release: Annotated[str | None, typer.Argument(help="A release; the live one.")] = None, as_json: Json = False
) -> None:
    """Prove one release to be of one piece, and show what lies in it and how it is searched."""
    told = load(f"{ASKING}:describe")(_ask("opened", release))
    if as_json:
        print_json(told)
        return
    for name, value in told.items():
        for key, each in value.items() if isinstance(value, dict) else ((None, value),):
            console.print(f"{name.replace('_', ' '):<16} {as_text(f'{key}: {each}' if key else each)}", soft_wrap=True)


@app.command()
def build(ds: Annotated[str, typer.Option(help="The night, YYYY-MM-DD.")], as_json: Json = False) -> None:
    """Build, prove and publish the index of a night whose vectors are made."""
    records = _ask("build_night", ds)
    if as_json:
        print_json([record.summary for record in records])
        return
    for record in records:
        told = ", ".join(f"{name} {value}" for name, value in record.summary.items())
        console.print(f"[bold]{record.step}[/] {as_text(told)} ({record.seconds:.1f} s)", soft_wrap=True)


@app.command()
def search(
    user: Annotated[str, typer.Argument(metavar="USER", help="A user.")],
    k: Shown = 10,
    release: ReleaseId = None,
    exact: Exact = False,
    as_json: Json = False,
) -> None:
    """Show the items that the index finds for a user."""
    _show_found(SpaceName.FOR_USERS, user, k, release, exact, as_json)


@app.command()
def similar(
    item: Annotated[str, typer.Argument(metavar="ITEM", help="An item.")],
    k: Shown = 10,
    release: ReleaseId = None,
    exact: Exact = False,
    as_json: Json = False,
) -> None:
    """Show the items whose vectors are most alike."""
    _show_found(SpaceName.FOR_ITEMS, item, k, release, exact, as_json)


def _show_found(space: SpaceName, id_: str, k: int, release: str | None, exact: bool, as_json: bool) -> None:
    answer = _ask("search", load(SPACES)(space.value), id_, k, release, exact=exact)
    if as_json:
        print_json(answer)
        return
    console.print(
        f"[bold]{space.value}[/] [bold]{as_text(id_)}[/]  ·  release {answer['release']}  ·  {as_text(answer['model'])}"
        f"  ·  fresh until {answer['fresh_until']}",
        soft_wrap=True,
    )
    table = Table(header_style="bold")
    for column in ("rank", "id", "score"):
        table.add_column(column, justify="left" if column == "id" else "right")
    for rank, each in enumerate(answer["found"], start=1):
        table.add_row(str(rank), as_text(each["id"]), f"{each['score']:.4f}")
    console.print(table)


@app.command()
def vector(
    entity: Annotated[EntityName, typer.Argument(help="user or item.")],
    id_: Annotated[str, typer.Argument(metavar="ID", help="Whose vector.")],
    release: ReleaseId = None,
    as_json: Json = False,
) -> None:
    """Show the vector of a user or an item."""
    answer = _ask("vector", entity.value, id_, release)
    if as_json:
        print_json(answer)
        return
    first = ", ".join(f"{each:.4f}" for each in answer["vector"][:SHOWN])
    console.print(
        f"[bold]{entity.value} {as_text(id_)}[/]  ·  release {answer['release']}\n"
        f"length {answer['length']:.4f}, longer than {answer['longer_than']:.0%} of all; bias {answer['bias']:.4f}\n"
        f"{len(answer['vector'])} places: {first}, …",
        soft_wrap=True,
    )


@app.command()
def compare(
    first: Annotated[str, typer.Argument(help="A release, or the beginning of its id.")],
    second: Annotated[str | None, typer.Argument(help="Another one; the live one.")] = None,
    as_json: Json = False,
) -> None:
    """Show how two releases differ: items, where vectors lie, what is found beside the same items."""
    opened = [_ask("opened", each) for each in (first, second)]
    told = load(f"{ASKING}:compare")(*opened)
    if as_json:
        print_json(told)
        return
    for name, value in told.items():
        console.print(f"{name.replace('_', ' '):<18} {as_text('–' if value is None else value)}", soft_wrap=True)


@app.command()
def choose(
    space: Annotated[SpaceName, typer.Option(help="for_users or for_items.")] = SpaceName.FOR_USERS,
    rows: Annotated[int | None, typer.Option(min=1_000, help="Measure on so many vectors; all.")] = None,
    picture: Annotated[Path | None, typer.Option("--plot", help="Draw recall beside speed into this PNG.")] = None,
    release: ReleaseId = None,
    as_json: Json = False,
) -> None:
    """Measure every kind of index on the live vectors, and say which is the fastest that finds enough."""
    found, chosen = _ask("choose", load(SPACES)(space.value), release, rows, picture)
    if as_json:
        print_json({"chosen": chosen and str(chosen.specification), "measured": [_measured(each) for each in found]})
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("index", "effort", "recall", "queries/s", "build s", "MB"):
        table.add_column(column, justify="left" if column in ("index", "effort") else "right")
    for each in found:
        row = _measured(each)
        style = "bold green" if each == chosen else ""
        rate, megabytes = f"{row['queries_per_second']:,.0f}", f"{row['memory_bytes'] / 1e6:.1f}"
        table.add_row(
            row["index"], row["effort"], f"{each.recall:.4f}", rate, f"{each.build_seconds:.1f}", megabytes, style=style
        )
    console.print(table)
    if chosen is not None:
        console.print(f"the fastest that finds enough: [bold]DAYBREAK_INDEX={chosen.specification}[/]")
    if picture is not None:
        console.print(f"plot: {picture}", soft_wrap=True)


def _measured(each: Any) -> dict[str, Any]:
    effort = ", ".join(f"{name} {value}" for name, value in each.effort.to_json().items() if value > 1)
    return {
        "index": str(each.specification),
        "effort": effort or "–",
        "recall": each.recall,
        "queries_per_second": each.queries_per_second,
        "build_seconds": each.build_seconds,
        "memory_bytes": each.memory_bytes,
        "chosen": each.chosen,
    }


@app.command()
def rollback(
    reason: Annotated[str, typer.Option(help="Why, for those who read the history.")],
    to: Annotated[str | None, typer.Option(help="A release other than the one live before.")] = None,
    pin: Annotated[bool, typer.Option(help="Hold it against nights and hours to come, until `unpin`.")] = True,
    as_json: Json = False,
) -> None:
    """Make the release of the index that was live before live again."""
    release = _ask("store_of").rollback(reason=reason, to=to, pin=pin)
    if as_json:
        print_json({"release": release.id, "pinned": pin})
    else:
        console.print(f"[bold]{release.id}[/] is live again" + (", pinned" if pin else ""))


@app.command()
def unpin(reason: Annotated[str, typer.Option(help="Why.")], as_json: Json = False) -> None:
    """Let nights and hours move the index again."""
    pointer = _ask("store_of").pin(reason=reason, pinned=False)
    if as_json:
        print_json({"release": pointer.release, "pinned": False})
    else:
        console.print(f"[bold]{pointer.release}[/] is not pinned any more")
