"""`daybreak explain`: why a list is as it is; `daybreak diff`: how the lists of two releases differ."""

from __future__ import annotations

from typing import Annotated, Any

import typer
from rich.box import SIMPLE_HEAD
from rich.table import Table

from daybreak.cli.console import as_text, console, print_json
from daybreak.releases import ReleaseStore
from daybreak.settings import load_settings
from daybreak.targets import load

EXPLAIN = "serving_export.explaining:explain"
DIFFERENCE = "serving_export.difference:difference"
ENTRIES, DROPPED, FEATURES, MEASURES = 10, 10, 12, 3
Json = Annotated[bool, typer.Option("--json", help="Print JSON: everything, not only the most telling.")]


def explain(
    surface: Annotated[str, typer.Argument(help="The shelf, such as for_you.")],
    query: Annotated[str, typer.Argument(help="For whom, or beside what.")],
    ds: Annotated[str | None, typer.Option(help="The night; that of the live release.")] = None,
    candidate: Annotated[str | None, typer.Option(help="Only this entry, with all its features.")] = None,
    as_json: Json = False,
) -> None:
    """Tell why a list is as it is: sources, ranks, scores, features, rules, models, tables, down to the events."""
    settings = load_settings()
    day = ds or ReleaseStore(settings.releases).current(verify=False).manifest.ds
    told = load(EXPLAIN)(settings, surface, query, day)
    if candidate:
        told["entries"] = [entry for entry in told["entries"] if entry["candidate"] == candidate]
        told["dropped"] = [each for each in told["dropped"] if each["candidate"] == candidate]
    if as_json:
        print_json(told)
        return
    _show_list(told, all_features=candidate is not None)
    _show_reasons(told)


def diff(
    first: Annotated[str, typer.Argument(help="A release, or the day of its night.")],
    second: Annotated[str | None, typer.Argument(help="Another; the live one.")] = None,
    surface: Annotated[str | None, typer.Option(help="Only this shelf.")] = None,
    as_json: Json = False,
) -> None:
    """Tell how the lists of two releases differ."""
    store = ReleaseStore(load_settings().releases)
    old, new = store.open(first), store.open(second) if second else store.current()
    told = load(DIFFERENCE)(old, new, surface)
    if as_json:
        print_json(told)
        return
    _show_difference(told)


def _show_list(told: dict[str, Any], *, all_features: bool) -> None:
    console.print(f"[bold]{as_text(told['surface'])}/{as_text(told['query'])}[/] on {told['ds']}: {_standing(told)}")
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for column in ("#", "candidate", "score", "proposed by (rank)", "foreseen by"):
        table.add_column(column, justify="right" if column in ("#", "score") else "left")
    for entry in told["entries"] if all_features else told["entries"][:ENTRIES]:
        sources = ", ".join(_source(each) for each in entry["sources"])
        drawn = f"; drawn with chance {entry['chance']:.3f}" if entry["chance"] < 1 else ""
        table.add_row(
            str(entry["rank"]),
            as_text(entry["candidate"]),
            f"{entry['score']:.5f}",
            as_text(sources + drawn),
            _foreseen(entry),
        )
    console.print(table)
    if told["entries"] and "features" in told["entries"][0]:
        features = told["entries"][0]["features"]
        known = [(name, value) for name, value in features.items() if value is not None]
        shown = known if all_features else known[:FEATURES]
        console.print(f"the ranker saw of {as_text(told['entries'][0]['candidate'])}:", soft_wrap=True)
        console.print("  " + as_text(", ".join(f"{name} {value}" for name, value in shown)), soft_wrap=True)


def _foreseen(entry: dict[str, Any]) -> str:
    """The chances of each outcome, or what most was added for and against somebody by what is measured of the two."""
    if "weighed" in entry:
        most = sorted(entry["weighed"].items(), key=lambda each: -abs(each[1]))[:MEASURES]
        return ", ".join(f"{name} {added:+.2f}" for name, added in most if added)
    return ", ".join(f"{head} {chance:.3f}" for head, chance in entry.get("foreseen", {}).items())


def _standing(told: dict[str, Any]) -> str:
    if not told["written"]:
        return "the night wrote no such list"
    if told["same_as_written"]:
        return f"{told['written']} entries, gone through again with the same result"
    if told["made"] != told["ds"]:
        return f"kept from the night of {told['made']}; below is how it would be made on {told['ds']}"
    return "tables have changed since the night; below is how the list would be made now"


def _source(each: dict[str, Any]) -> str:
    led_by = f" by {each['because']}" if "because" in each else ""
    return f"{each['source']} ({each['rank']}{led_by})"


def _show_reasons(told: dict[str, Any]) -> None:
    proposed = ", ".join(f"{each['source']} {each['listed']}/{each['proposed']}" for each in told["sources"])
    console.print(f"[bold]listed of what was proposed[/]: {as_text(proposed)}", soft_wrap=True)
    for each in told["dropped"][:DROPPED]:
        rules = ", ".join(each["rules"])
        console.print(
            f"  kept out: {as_text(each['candidate'])} of {each['source']}, rank {each['rank']}: {as_text(rules)}"
        )
    if told["events"]:
        last = ", ".join(f"{each['event_type']} {each['item_id']} ({each['event_id']})" for each in told["events"][:5])
        console.print(f"[bold]last events[/]: {as_text(last)}", soft_wrap=True)
    for model in told["models"]:
        console.print(f"[bold]{model['model']}[/] version {model['version']}, seen until {model['trained_until']}: "
                      f"{as_text(model['because'])}", soft_wrap=True)  # fmt: skip
    tables = ", ".join(f"{name}@{version}" for name, version in told["tables"].items())
    console.print(f"[bold]tables[/]: {as_text(tables)}", soft_wrap=True)


def _show_difference(told: dict[str, Any]) -> None:
    for side in ("first", "second"):
        console.print(f"{side}: [bold]{told[side]['release']}[/], {as_text(told[side]['model'])}", soft_wrap=True)
    for part, changes in told["built_from"].items():
        console.print(
            f"  {part} changed: {as_text(str(changes))}" if changes else f"  {part}: the same", soft_wrap=True
        )
    for surface, found in told["surfaces"].items():
        lists, kept = found["lists"], found["entries_kept"]
        console.print(
            f"[bold]{as_text(surface)}[/]: {lists['both']:,} lists in both, {lists['same']:,} the same; only in the"
            f" first {lists['first']:,}, only in the second {lists['second']:,}"
            + (f"; of the entries {kept:.1%} stay" if kept is not None else ""),
            soft_wrap=True,
        )
        moved = ", ".join(f"{each['candidate']} {each['lists']:+,}" for each in found["moved"])
        console.print(f"  moved most: {as_text(moved) or 'nothing'}", soft_wrap=True)
        for example in found["examples"]:
            console.print(f"  {as_text(example['query'])} keeps {example['kept']:.0%}:"
                          f" {as_text(' '.join(example['first']))} → {as_text(' '.join(example['second']))}",
                          soft_wrap=True)  # fmt: skip
