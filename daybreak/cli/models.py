"""`daybreak models`: which version of each model serves and why, moving the champion, and MLflow's UI."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from daybreak.cli.console import as_text, console, print_json
from daybreak.errors import InputError
from daybreak.settings import load_settings
from daybreak.targets import load

VERSIONS = "training.registry.versions:Versions"
UI = "training.registry.ui:serve"
SHOWN, MEASURES_SHOWN = 10, 3
app = typer.Typer(help="List models, promote a version, roll back, open MLflow's UI.")

Model = Annotated[str, typer.Argument(help="A registered model, such as two_tower.")]
Because = Annotated[str, typer.Option(help="Why, for those who look at the model later.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def _versions() -> Any:
    return load(VERSIONS).of(load_settings())


@app.callback(invoke_without_command=True)
def list_models(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Show every version, not only the newest.")] = False,
    as_json: Json = False,
) -> None:
    """Show the versions of every model: which is champion, since when and why."""
    if context.invoked_subcommand is not None:
        return
    versions = _versions()
    models = {
        name: {"held": versions.held(name), "versions": [_described(version) for version in versions.list(name)]}
        for name in versions.models()
    }
    if as_json:
        print_json(models)
        return
    for name, found in models.items():
        _show(name, found, every)
    if not models:
        console.print("no model is registered yet; a night that trains one registers it: daybreak nightly")


@app.command()
def promote(
    name: Model,
    version: Annotated[int, typer.Argument(help="A version of it.")],
    because: Because,
    as_json: Json = False,
) -> None:
    """Make a version champion, whatever its gates said. To an older one: hold it there against the nights to come."""
    _say(name, _versions().appoint(name, version, _a_reason(because)), as_json)


@app.command("roll-back")
def roll_back(name: Model, because: Because, as_json: Json = False) -> None:
    """Make the champion before this one champion again, and hold it against the nights to come."""
    _say(name, _versions().roll_back(name, _a_reason(because)), as_json)


@app.command()
def ui() -> None:
    """Serve MLflow's UI on the registry of this deployment until Ctrl-C."""
    load(UI)(load_settings(), lambda url: console.print(f"[bold]{url}[/] shows runs and models; Ctrl-C ends it"))


def _a_reason(because: str) -> str:
    if not because.strip():
        raise InputError("--because must tell why in a few words, for those who look at the model later")
    return because


def _described(version: Any) -> dict[str, Any]:
    tags: Mapping[str, str] = version.tags
    return {
        "version": version.number,
        "aliases": list(version.aliases),
        "ds": tags.get("ds"),
        "trained_until": tags.get("trained_until"),
        "champion_from": tags.get("champion_from"),
        "champion_because": tags.get("champion_because"),
        "measures": version.measures,
        "gates": tags.get("gates"),
        "why": version.why,
        "digest": tags.get("digest"),
        "run_id": version.run_id,
    }


def _show(name: str, found: dict[str, Any], every: bool) -> None:
    rows = found["versions"]
    shown = [row for place, row in enumerate(rows) if every or place < SHOWN or row["aliases"]]
    table = Table(box=SIMPLE_HEAD, pad_edge=False, title=f"[bold]{as_text(name)}[/]", title_justify="left")
    for column in ("version", "alias", "trained until", "measures", "gates", "why"):
        table.add_column(column, justify="right" if column == "version" else "left", no_wrap=column == "trained until")
    for row in shown:
        told = [f"{as_text(measure)} {value:.4f}" for measure, value in list(row["measures"].items())[:MEASURES_SHOWN]]
        table.add_row(
            str(row["version"]),
            as_text(", ".join(row["aliases"])),
            as_text(row["trained_until"] or "–"),
            "\n".join(told) or "–",
            as_text(row["gates"] or "–"),
            as_text(_why(row)),
            style="bold green" if "champion" in row["aliases"] else "",
        )
    console.print(table)
    if len(shown) < len(rows):
        console.print(f"and {len(rows) - len(shown)} older versions: daybreak models --all")
    if found["held"]:
        console.print(
            f"[yellow]held[/], no night promotes another: {as_text(found['held'])}; `daybreak models promote"
            f" {as_text(name)} VERSION --because …` lets go",
            soft_wrap=True,
        )


def _why(row: dict[str, Any]) -> str:
    if "champion" in row["aliases"] and row["champion_from"]:
        return f"{row['champion_because']} (champion from {row['champion_from']})"
    return str(row["why"] or "–")


def _say(name: str, version: Any, as_json: bool) -> None:
    if as_json:
        print_json({"model": name, **_described(version)})
        return
    console.print(
        f"version [bold]{version.number}[/] of [bold]{as_text(name)}[/] is champion; it has seen data until"
        f" {as_text(version.tags.get('trained_until', '–'))}, and the next night makes its lists with it",
        soft_wrap=True,
    )
