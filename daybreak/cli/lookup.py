"""`daybreak lookup`: one list, read from the release itself, as a person wants to see it."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.table import Column, Table

from daybreak import clock
from daybreak.cli.console import as_text, console, print_json
from daybreak.releases import ReleaseStore
from daybreak.settings import load_settings
from daybreak.targets import load

SNAPSHOT = "serving_export.reader.snapshot:Snapshot"
RECOMMEND = "serving_export.reader.recommendations:recommend"
CHECK_ID = "serving_export.reader.recommendations:check_id"

MINUTE, HOUR, DAY = 60, 3_600, 86_400


def command(
    surface: Annotated[str, typer.Argument(help="The shelf, such as for_you.")],
    query_id: Annotated[str, typer.Argument(metavar="ID", help="For whom, or beside what.")],
    k: Annotated[int, typer.Option(min=1, max=100, help="How many entries to show.")] = 10,
    release: Annotated[str | None, typer.Option(help="A release other than the live one.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what the reader would answer.")] = False,
) -> None:
    """Show the list of a user or item, straight from the live release; no server is needed.

    It reads one list and does not check the rest of the release: `daybreak releases show` does.
    """
    load(CHECK_ID)(query_id)
    store = ReleaseStore(load_settings().releases)
    chosen = store.open(release, verify=False) if release else store.current(verify=False)
    age_s = clock.seconds_since_end_of(chosen.manifest.ds)
    answer = load(RECOMMEND)(load(SNAPSHOT)(chosen), surface, query_id, k, age_s)
    if as_json:
        print_json(answer)
        return
    console.print(_header(answer), soft_wrap=True)
    if answer["fallback"]:
        console.print(_fallback_line(answer), soft_wrap=True)
    if answer["items"]:
        console.print(_table(answer["items"]))


def _header(answer: dict[str, Any]) -> str:
    return (
        f"[bold]{as_text(answer['surface'])}[/] for [bold]{as_text(answer['id'])}[/]  ·  release {answer['release']}"
        f"  ·  day {answer['ds']}  ·  model {as_text(answer['model'])}  ·  {_age(answer['age_s'])}"
    )


def _fallback_line(answer: dict[str, Any]) -> str:
    whose = {
        "segment": "this is the list of its segment",
        "everyone": "this is the list that everyone without one gets",
    }
    shown = whose.get(answer["source"], "the surface has no fallback list")
    return f"[yellow]there is no list for {as_text(answer['id'])}: {shown}[/]"


def _table(items: list[dict[str, Any]]) -> Table:
    rank_column, score_column = Column("rank", justify="right"), Column("score", justify="right")
    told = [name for name in ("title", "category") if any(name in item for item in items)]
    table = Table(rank_column, "id", *told, score_column, Column("why", min_width=20), "source", header_style="bold")
    for rank, item in enumerate(items, start=1):
        texts = (as_text(item.get(name, "")) for name in ("id", *told))
        reason = as_text(item.get("reason", ""))
        table.add_row(str(rank), *texts, f"{item['score']:g}", reason, as_text(item["source"]))
    return table


def _age(seconds: int) -> str:
    """How old what the lists know is, in the words a person would use."""
    if seconds < 0:
        return "its day is not over yet"
    if seconds < HOUR:
        return f"{seconds // MINUTE} min old"
    if seconds < 2 * DAY:
        return f"{seconds // HOUR} h old"
    return f"{seconds // DAY} days old"
