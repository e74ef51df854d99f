"""`daybreak simulate`: makes a world to recommend in, day by day, as deliveries in the landing folder."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from daybreak.cli.console import console, print_json
from daybreak.clock import parse_day
from daybreak.settings import Settings, load_settings

if TYPE_CHECKING:
    from daybreak.world.delivery import Ledger
    from daybreak.world.simulation import Simulation


def command(
    days: Annotated[int, typer.Option(help="How many days to write.", min=1)] = 30,
    users: Annotated[int, typer.Option(help="Users on the first day; 0.4% more join each day.")] = 2_000,
    items: Annotated[int, typer.Option(help="Items on the first day; 0.5% more are launched each day.")] = 1_000,
    seed: Annotated[int | None, typer.Option(help="Seed of the world; the settings' seed if left out.")] = None,
    start: Annotated[str, typer.Option(help="The world's first day.")] = "2026-10-22",
    from_day: Annotated[str | None, typer.Option("--from", help="First day to write; the world's first.")] = None,
    events_per_day: Annotated[int | None, typer.Option(help="Events on a mean day; 25 a user if left out.")] = None,
    drift: Annotated[list[str] | None, typer.Option(help="NAME@DAY: what changes, and from when. Repeatable.")] = None,
    dirt: Annotated[
        list[str] | None, typer.Option(help="NAME[=SHARE][@DAY]: bad rows or a bad file. 'all_rows' is every kind.")
    ] = None,
    workers: Annotated[int, typer.Option(help="Processes to share the days.", min=1)] = 1,
    plain: Annotated[bool, typer.Option("--plain", help="Write files without compression.")] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Remove the deliveries of another world first.")] = False,
    kinds: Annotated[bool, typer.Option("--kinds", help="List the kinds of drift and dirt, and stop.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result for a program.")] = False,
) -> None:
    """Simulate days of a world: users, items, visits and ties, as delivered files. Same seed, same bytes."""
    if kinds:
        _print_kinds(as_json)
        return
    from daybreak.world.delivery import Destination
    from daybreak.world.drifts import parse_drift
    from daybreak.world.parameters import EVENTS_PER_USER, World
    from daybreak.world.simulation import Simulation
    from daybreak.world.soiling import parse_dirt

    settings = load_settings()
    first_day = parse_day(start)
    world = World(
        seed=settings.seed if seed is None else seed,
        users=users,
        items=items,
        start=first_day,
        events_per_day=users * EVENTS_PER_USER if events_per_day is None else events_per_day,
        drifts=tuple(parse_drift(text, first_day) for text in drift or ()),
    )
    simulation = Simulation(
        world,
        days,
        Destination(settings.landing, settings.world, plain),
        first=world.offset(parse_day(from_day)) if from_day else 0,
        dirt=tuple(each for text in dirt or () for each in parse_dirt(text, first_day)),
        workers=workers,
    )
    _run(simulation, settings, replace=replace, as_json=as_json)


def _run(simulation: Simulation, settings: Settings, *, replace: bool, as_json: bool) -> None:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    from daybreak.world.simulation import simulate

    columns = (TextColumn("[bold]simulate"), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    began = time.perf_counter()
    with Progress(*columns, TimeRemainingColumn(), console=console, disable=as_json, transient=True) as progress:
        task = progress.add_task("", total=simulation.days)

        def on_day(ledger: Ledger) -> None:
            progress.update(task, advance=1, description=f"{ledger.ds}  {ledger.events:,} events")

        ledgers = simulate(simulation, on_day, replace=replace)
    facts = _summary(simulation, ledgers, time.perf_counter() - began)
    if as_json:
        print_json(facts | {"landing": str(settings.landing), "world": str(settings.world)})
    else:
        _print_summary(facts, settings)


def _summary(simulation: Simulation, ledgers: list[Ledger], seconds: float) -> dict[str, Any]:
    events = sum(ledger.events for ledger in ledgers)
    return {
        "first_day": ledgers[0].ds,
        "last_day": ledgers[-1].ds,
        "days": len(ledgers),
        **{name: sum(getattr(ledger, name) for ledger in ledgers) for name in ("users", "items", "edges")},
        "events": events,
        "late": sum(ledger.late for ledger in ledgers),
        "duplicates": sum(ledger.duplicates for ledger in ledgers),
        "dirty_rows": sum(sum(ledger.dirt.values()) for ledger in ledgers),
        "faulty_files": sum(bool(ledger.faults) for ledger in ledgers),
        "seconds": round(seconds, 3),
        "events_per_second": round(events / seconds),
        "parameters": simulation.world.to_json(),
    }


def _print_summary(facts: dict[str, Any], settings: Settings) -> None:
    console.print(
        f"[bold green]{facts['days']} days[/] of a world, {facts['first_day']} to {facts['last_day']}: "
        f"[bold]{facts['events']:,}[/] events ({facts['late']:,} late, {facts['duplicates']:,} duplicates), "
        f"{facts['users']:,} user, {facts['items']:,} item and {facts['edges']:,} edge rows, "
        f"in {facts['seconds']:.1f} s ({facts['events_per_second']:,} events/s)"
    )
    if facts["dirty_rows"] or facts["faulty_files"]:
        console.print(f"[yellow]dirt:[/] {facts['dirty_rows']:,} bad rows, {facts['faulty_files']} faulty files")
    places = f"delivered to {settings.landing}; the truth is kept in {settings.world}"
    console.print(escape(places), soft_wrap=True)


def _print_kinds(as_json: bool) -> None:
    from rich.table import Table

    from daybreak.world.dirt import DIRT, FAULTS
    from daybreak.world.drifts import DRIFTS

    rows = [("drift", name, kind.doc) for name, kind in DRIFTS.items()]
    rows += [("bad row", name, kind.doc) for name, kind in DIRT.items()]
    rows += [("bad file", name, doc) for name, doc in FAULTS.items()]
    if as_json:
        print_json([{"sort": sort, "name": name, "doc": doc} for sort, name, doc in rows])
        return
    table = Table("sort", "name", "what it does")
    for row in rows:
        table.add_row(*row)
    console.print(table)
