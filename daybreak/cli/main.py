"""The `daybreak` command: registers every command and turns a foreseen failure into one sentence and an exit code."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer
from rich.markup import escape

from daybreak.cli import (
    doctor,
    explain,
    features,
    gates,
    import_data,
    index,
    leaks,
    lineage,
    lookup,
    models,
    nightly,
    releases,
    run,
    serve,
    simulate,
    tables,
)
from daybreak.cli.console import errors
from daybreak.errors import DaybreakError, MissingExtra
from daybreak.steps import FOLDERS

app = typer.Typer(
    name="daybreak",
    help="The whole night of a recommender: land, check, learn, list, gate, publish, serve.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    rich_markup_mode="rich",
)
app.command("nightly")(nightly.command)
app.command("run")(run.command)
app.command("simulate")(simulate.command)
app.command("import")(import_data.command)
app.command("tables")(tables.command)
app.command("features")(features.command)
app.command("leaks")(leaks.command)
app.add_typer(models.app, name="models")
app.add_typer(index.app, name="index")
app.add_typer(releases.app, name="releases")
app.command("gates")(gates.command)
app.command("explain")(explain.explain)
app.command("diff")(explain.diff)
app.command("lookup")(lookup.command)
app.command("serve")(serve.command)
app.command("lineage")(lineage.command)
app.command("doctor")(doctor.command)


def main() -> None:
    """Runs the command line."""
    try:
        app()
    except DaybreakError as error:
        _fail(error)
    except ModuleNotFoundError as error:
        if _is_ours(error.name):
            raise
        _fail(MissingExtra(str(error.name), "night"))
    except KeyboardInterrupt:
        errors.print("[bold red]Error:[/] interrupted; run the same command again to finish", soft_wrap=True)
        sys.exit(130)


def _fail(error: DaybreakError) -> NoReturn:
    errors.print(f"[bold red]Error:[/] {escape(str(error))}", soft_wrap=True)
    sys.exit(error.exit_code)


def _is_ours(module: str | None) -> bool:
    return module is None or module.partition(".")[0] in ("daybreak", *FOLDERS)


if __name__ == "__main__":
    main()
