"""`daybreak nightly`: whole nights through Airflow, followed live."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from daybreak.cli.console import console, print_json
from daybreak.settings import load_settings

if TYPE_CHECKING:
    from daybreak.embedded.airflow_api import RunState, TaskState
    from daybreak.night import NightOutcome, Nights

COLOURS = {"success": "green", "failed": "red", "running": "cyan", "upstream_failed": "dim", "up_for_retry": "yellow"}
WORDS = {"upstream_failed": "not run", "up_for_retry": "trying again", None: "waiting"}
TERMINATED = 128 + signal.SIGTERM


def command(
    ds: Annotated[str | None, typer.Option(help="The (last) day to run, YYYY-MM-DD; the newest delivery.")] = None,
    nights: Annotated[int, typer.Option(help="How many days to run, one after another, ending with that day.")] = 1,
    keep_up: Annotated[bool, typer.Option("--keep-up", help="Leave Airflow up until Ctrl-C.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON.")] = False,
) -> None:
    """Run whole nights through Airflow: land, audit, candidates and lists, features and training rows, report."""
    from daybreak.night import days_up_to, newest_day, run_nights

    settings = load_settings()
    days = days_up_to(ds if ds is not None else newest_day(settings.landing), nights)
    with _ended_politely(), NightView(quiet=as_json) as view:
        run_nights(settings, days, view, keep_up)


class NightView:
    """Shows nights as they go: one table per night on a terminal, one line per change elsewhere, only JSON for a
    program."""

    def __init__(self, quiet: bool) -> None:
        self._quiet = quiet
        self._live = Live(console=console, refresh_per_second=4) if console.is_terminal and not quiet else None
        self._shown: dict[str, str | None] = {}
        self._ds = ""

    def __enter__(self) -> NightView:
        return self

    def __exit__(self, *_: object) -> None:
        self._end_table()

    def say(self, message: str) -> None:
        """A line of its own."""
        if not self._quiet:
            console.print(f"[dim]{escape(message)}[/]", soft_wrap=True)

    def follow(self, ds: str, run: RunState) -> None:
        """Redraws the night's table, or prints what changed in it."""
        if ds != self._ds:
            self._end_table()
            self._ds, self._shown = ds, {}
        if self._live is not None:
            self._live.start()
            self._live.update(_table(f"night {ds}", [_row(task) for task in run.tasks]), refresh=True)
        elif not self._quiet:
            self._print_changes(ds, run)

    def finish(self, nights: Nights) -> None:
        """The account of all nights."""
        self._end_table()
        if self._quiet:
            print_json(_as_json(nights))
            return
        for outcome in nights.outcomes:
            console.print(_account(outcome))
        commands = sum(outcome.seconds - outcome.airflow_seconds for outcome in nights.outcomes)
        console.print(
            f"{len(nights.outcomes)} night(s) in {nights.seconds:.1f} s: {commands:.1f} s of steps, "
            f"{nights.start_seconds:.1f} s to start PostgreSQL and Airflow, "
            f"{nights.seconds - nights.start_seconds - commands:.1f} s of scheduling",
            soft_wrap=True,
        )
        for outcome in nights.outcomes:
            if outcome.report is not None:
                console.print(escape(f"report: {outcome.report}"), soft_wrap=True)

    def _print_changes(self, ds: str, run: RunState) -> None:
        for task in run.tasks:
            if task.state not in (None, "queued", "scheduled", self._shown.get(task.name)):
                seconds = f" ({task.seconds:.1f} s)" if task.seconds and task.state in ("success", "failed") else ""
                console.print(f"{ds} {task.name}: {WORDS.get(task.state, task.state)}{seconds}", soft_wrap=True)
            self._shown[task.name] = task.state

    def _end_table(self) -> None:
        if self._live is not None:
            self._live.stop()


@contextmanager
def _ended_politely() -> Iterator[None]:
    """A night that is terminated, whose terminal closes, or that a script put into the background (where interrupts are
    ignored) ends its servers like one that is interrupted by hand."""

    def leave(*_: object) -> None:
        raise SystemExit(TERMINATED)

    previous = {number: signal.signal(number, leave) for number in (signal.SIGTERM, signal.SIGHUP)}
    previous[signal.SIGINT] = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _row(task: TaskState) -> tuple[str, str, str]:
    word = WORDS.get(task.state, task.state or "")
    colour = COLOURS.get(task.state or "", "dim")
    return task.name, f"[{colour}]{word}[/]", "" if task.seconds is None else f"{task.seconds:.1f}"


def _table(title: str, rows: list[tuple[str, str, str]]) -> Table:
    table = Table(title=title, title_justify="left")
    table.add_column("task")
    table.add_column("state")
    table.add_column("seconds", justify="right")
    for row in rows:
        table.add_row(*row)
    return table


def _account(outcome: NightOutcome) -> Table:
    rows = [(task.task_id, str(task.state), f"{task.seconds:.1f}") for task in outcome.tasks]
    rows.append(("scheduling", "", f"{outcome.airflow_seconds:.1f}"))
    rows.append(("[bold]night[/]", "", f"[bold]{outcome.seconds:.1f}[/]"))
    return _table(f"night {outcome.ds}", rows)


def _as_json(nights: Nights) -> dict[str, Any]:
    return {
        "start_seconds": nights.start_seconds,
        "seconds": round(nights.seconds, 3),
        "nights": [asdict(outcome) for outcome in nights.outcomes],
    }
