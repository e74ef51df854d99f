"""`daybreak run`: one or more steps, for one day, in this process."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
import yaml
from rich.markup import escape

from daybreak.cli.console import console, print_json
from daybreak.errors import InputError
from daybreak.settings import load_settings


def command(
    steps: Annotated[list[str], typer.Argument(help="Steps to run, in order; they share one Spark session.")],
    ds: Annotated[str, typer.Option(help="The day to run for, YYYY-MM-DD.")],
    set_: Annotated[list[str] | None, typer.Option("--set", help="NAME=VALUE for this run of a single step.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the run records as JSON.")] = False,
) -> None:
    """Run steps of a night for one day, exactly as Airflow does."""
    from daybreak.lineage import RunRecord
    from daybreak.runner import run_steps
    from daybreak.steps import step_named

    specs = [step_named(name) for name in steps]

    def show(record: RunRecord) -> None:
        if not as_json:
            facts = ", ".join(
                f"{name} {value}" for name, value in record.summary.items() if not isinstance(value, (dict, list))
            )
            told = escape(f"{record.ds}: {facts} ({record.seconds:.1f} s)")
            console.print(f"[bold]{record.step}[/] {told}", soft_wrap=True)

    records = run_steps(specs, ds, load_settings(), overrides=_overrides(set_ or []), observer=show)
    if as_json:
        print_json([asdict(record) for record in records])


def _overrides(pairs: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"--set takes NAME=VALUE, not '{pair}'")
        try:
            values[name] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise InputError(f"--set {name}: '{value}' cannot be read; write it as YAML, such as 3 or [a, b]") from None
    return values
