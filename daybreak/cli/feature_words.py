"""How `daybreak features` tells people of views and features."""

from __future__ import annotations

from typing import Any

from rich.box import SIMPLE_HEAD
from rich.table import Table as RichTable

from daybreak.cli.console import as_text, console
from daybreak.features.catalogue import FeatureFacts, RequestFacts, ViewFacts, request_facts
from daybreak.features.statistics import FeatureStats, in_hours
from daybreak.features.words import share_in_words, spread_in_words, ttl_in_words, window_in_words

BLOCKS = "▁▂▃▄▅▆▇█"
TOP_SHOWN = 3
VALUE_SHOWN = 24
NOTHING_YET = (
    "No night has told yet how the values are spread; after a night, this does:"
    " `daybreak run validation.feature_stats --ds DAY`"
)


def show_all(night: str | None, views: list[ViewFacts]) -> None:
    """Every view as it is declared, how fresh each was, and what is computed on request."""
    console.print("[bold]Feature views[/]")
    declared = [
        {
            "view": facts.view.name,
            "of": " and ".join(entity.name for entity in facts.view.entities),
            "features": len(facts.view.features),
            "owner": facts.view.owner,
            "used by": ", ".join(facts.used_by) or "–",
        }
        for facts in views
    ]
    console.print(_table(declared, right=("features",)))
    if night is None:
        console.print(NOTHING_YET, soft_wrap=True)
    else:
        console.print(f"[bold]How fresh they were when the night of {night} was due[/]", soft_wrap=True)
        console.print(_table([_fresh_row(facts) for facts in views], right=("age", "rows", "nulls")))
        _show_stale(views)
    console.print("[bold]Computed on request[/]")
    console.print(_table([_request_row(facts) for facts in request_facts()]))


def _fresh_row(facts: ViewFacts) -> dict[str, Any]:
    stats, freshness = facts.stats, facts.freshness
    age = freshness.age if freshness else None
    moment = stats.newest_event_ts if stats else None
    return {
        "view": facts.view.name,
        "night": stats.newest_night if stats and stats.newest_night else "–",
        "up to": "–" if moment is None else f"{moment:%Y-%m-%d %H:%M}",
        "age": "–" if age is None else in_hours(age),
        "ttl": ttl_in_words(facts.view) if facts.view.ttl else "–",
        "rows": f"{stats.rows:,}" if stats else "–",
        "nulls": share_in_words(facts.null_share),
    }


def _request_row(facts: RequestFacts) -> dict[str, Any]:
    return {
        "feature": facts.feature.name,
        "computed from": ", ".join(given.name for given in facts.feature.inputs),
        "used by": ", ".join(facts.used_by) or "–",
    }


def _show_stale(views: list[ViewFacts]) -> None:
    for facts in views:
        if facts.stale:
            console.print(f"[yellow]stale[/] {facts.view.name}: {facts.stale}", soft_wrap=True)
    if any(facts.stale for facts in views):
        console.print()


def show_view(night: str | None, facts: ViewFacts) -> None:
    """A view, and each of its features in two lines."""
    view, stats = facts.view, facts.stats
    console.print(f"[bold]{view.name}[/]: {view.doc}", soft_wrap=True)
    of = " and ".join(entity.name for entity in view.entities)
    ttl = ttl_in_words(view)
    counts = ttl if view.ttl is None else f"for {ttl}"
    console.print(f"Of {of}; made by {view.made_by}; owner {view.owner}; a row counts {counts}.", soft_wrap=True)
    if stats is None:
        console.print(NOTHING_YET, soft_wrap=True)
    else:
        fresh = _fresh_row(facts)
        told = f"the newest up to {fresh['up to']}, {fresh['age']} before the night was due" if stats.rows else "none"
        console.print(f"{stats.rows:,} rows on the night of {night}, {told}.", soft_wrap=True)
    _show_stale([facts])
    for feature in facts.features:
        _show_feature(feature)
    for computed in request_facts(view):
        line = _titled(computed.feature.name, computed.feature.type, "on request", computed.feature.doc)
        console.print(f"\n{line}", soft_wrap=True)
        told = f"  from {', '.join(given.name for given in computed.feature.inputs)}; {_used_by(computed.used_by)}"
        console.print(told, soft_wrap=True)


def _show_feature(facts: FeatureFacts) -> None:
    feature, stats = facts.feature, facts.stats
    console.print("\n" + _titled(feature.name, feature.type, window_in_words(feature), feature.doc), soft_wrap=True)
    values = [f"nulls {share_in_words(stats.null_share)}", as_text(_values(stats))] if stats else []
    console.print("  " + "; ".join(filter(None, [*values, _used_by(facts.used_by)])), soft_wrap=True)


def _titled(name: str, kind: str, more: str, doc: str) -> str:
    return f"[bold]{name}[/]  {kind}{', ' if more else ''}{more}: {as_text(doc)}"


def _used_by(names: tuple[str, ...]) -> str:
    return f"used by {', '.join(names)}" if names else "used by no model"


def _values(stats: FeatureStats) -> str:
    """How the values are spread, in one line."""
    if stats.histogram:
        return f"{spread_in_words(stats)} {_drawn(stats.histogram)}"
    if stats.top_values:
        top = list(zip(stats.top_values, stats.top_shares or [], strict=True))[:TOP_SHOWN]
        told = ", ".join(f"{value[:VALUE_SHOWN]} {share_in_words(share)}" for value, share in top)
        return told if stats.distinct <= len(top) else f"{told}, … {stats.distinct:,} values"
    return spread_in_words(stats)


def _drawn(shares: list[float]) -> str:
    """A histogram of letters: the fullest bin is a full block, an empty one a space."""
    top = len(BLOCKS) - 1
    return "".join(BLOCKS[round(top * share / max(shares))] if share else " " for share in shares)


def _table(rows: list[dict[str, Any]], right: tuple[str, ...] = ()) -> RichTable:
    table = RichTable(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for number, name in enumerate(rows[0]):
        is_short = number == 0 or name in (*right, "night", "up to")
        table.add_column(name, justify="right" if name in right else "left", overflow="fold", no_wrap=is_short)
    for row in rows:
        table.add_row(*(as_text(value) for value in row.values()))
    return table
