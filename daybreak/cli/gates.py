"""`daybreak gates`: what the gates said of a night's lists, and letting one pass with a reason."""

from __future__ import annotations

from itertools import groupby
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from daybreak.cli.console import as_text, console, print_json
from daybreak.errors import InputError
from daybreak.settings import load_settings
from daybreak.targets import load

GATES_OF = "serving_export.verdict_of_night:gates_of"
NUMBERS = ("value", "before", "must be")
LET_PASS = "serving_export.verdict_of_night:let_pass"


def command(
    ds: Annotated[str | None, typer.Option(help="The night; the newest that was judged.")] = None,
    surface: Annotated[str | None, typer.Option(help="Only the gates of this surface.")] = None,
    failed: Annotated[bool, typer.Option("--failed", help="Only gates that do not hold.")] = False,
    override: Annotated[
        str | None, typer.Option(metavar="SURFACE.GATE", help="Let this gate pass for the lists of the night.")
    ] = None,
    reason: Annotated[str, typer.Option(help="Why it may pass; it is recorded, and told by the release.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show what the gates said of a night's lists, with the night before beside; or let one pass, with a reason."""
    settings = load_settings()
    rows = load(GATES_OF)(settings, ds)
    day = rows[0]["ds"]
    if override:
        _let_pass(override, reason, day)
        rows = load(GATES_OF)(settings, day)
    shown = [row for row in rows if surface in (None, row["surface"]) and not (failed and row["passed"])]
    if as_json:
        print_json(shown)
        return
    _show(shown, day)
    if override:
        console.print(
            f"now run [bold]daybreak run serving_export.gates serving_export.publish --ds {day}[/]", soft_wrap=True
        )


def _let_pass(override: str, reason: str, day: str) -> None:
    surface, _, gate = override.partition(".")
    if not gate:
        raise InputError(f"'{override}' names no gate; write SURFACE.GATE, such as for_you.churn")
    load(LET_PASS)(load_settings(), surface, gate, reason, day)


def _show(rows: list[dict[str, Any]], day: str) -> None:
    console.print(f"[bold]gates of {day}[/]")
    for surface, mine in groupby(rows, key=lambda row: row["surface"]):
        table = Table(box=SIMPLE_HEAD, pad_edge=False, title=f"[bold]{as_text(surface)}[/]", title_justify="left")
        for column in ("gate", "of", "value", "before", "must be", ""):
            table.add_column(column, justify="right" if column in NUMBERS else "left", no_wrap=True)
        told = []
        for row in mine:
            held = "held" if row["passed"] else "let pass" if row["let_pass"] else "failed"
            style = "" if row["passed"] else "yellow" if row["let_pass"] else "bold red"
            before = "–" if row["before"] is None else f"{row['before']:.4g}"
            cells = (as_text(row["gate"]), as_text(row["segment"] or "all"), f"{row['value']:.4g}", before)
            table.add_row(*cells, as_text(row["bound"]), held, style=style)
            if not row["passed"]:
                told.append((row["gate"], row["let_pass"] or row["detail"]))
        console.print(table)
        for gate, why in told:
            if why:
                console.print(f"  {as_text(gate)}: {as_text(why)}", soft_wrap=True)
