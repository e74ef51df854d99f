"""The `daybreak` command: registers every command and turns a foreseen failure into one sentence and an exit code."""

from __future__ import annotations

import sys

import typer

from daybreak.cli import doctor, import_data, lineage, lookup, nightly, releases, run, serve, simulate, tables
from daybreak.cli.console import errors
from daybreak.errors import DaybreakError

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
app.add_typer(releases.app, name="releases")
app.command("lookup")(lookup.command)
app.command("serve")(serve.command)
app.command("lineage")(lineage.command)
app.command("doctor")(doctor.command)


def main() -> None:
    """Runs the command line."""
    try:
        app()
    except DaybreakError as error:
        errors.print(f"[bold red]Error:[/] {_plain(error)}", soft_wrap=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        errors.print("[bold red]Error:[/] interrupted; run the same command again to finish", soft_wrap=True)
        sys.exit(130)


def _plain(error: DaybreakError) -> str:
    return str(error).replace("[", "\\[")


if __name__ == "__main__":
    main()
