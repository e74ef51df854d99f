"""The drawings of the report, each from its numbers."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from daybreak.datasets import EVENT_TYPES
from validation.report.landing import EventDays, RefusedDays
from validation.report.plots import FAIL, INK, MUTED, SERIES, Plot, plot, short
from validation.report.runs import TimeLine
from validation.report.shelves import TOP, Shelf

BARS_AT_MOST = 24
CATEGORIES = 14
ROW_INCHES = 0.21


def events_per_day(events: EventDays) -> Plot:
    """Events by the day they happened on, stacked by type."""
    colors = {
        kind: SERIES[number % len(SERIES)]
        for number, kind in enumerate({**dict.fromkeys(EVENT_TYPES), **events.counts})
    }

    def draw(axes: Any) -> None:
        below = [0] * len(events.days)
        for kind, counts in events.counts.items():
            axes.bar(range(len(counts)), counts, bottom=below, width=0.78, color=colors[kind])
            below = [low + count for low, count in zip(below, counts, strict=True)]
        _day_axis(axes, events.days)
        _thousands(axes.yaxis)

    legend = tuple((kind, colors[kind]) for kind in events.counts)
    return plot(draw, f"Events by the day they happened on, last {len(events.days)} days", legend=legend)


def refused_per_day(refused: RefusedDays) -> Plot:
    """The refused share of each day's deliveries."""

    def draw(axes: Any) -> None:
        places = [n for n, share in enumerate(refused.shares) if share is not None]
        axes.bar(places, [100 * (refused.shares[n] or 0) for n in places], width=0.78, color=FAIL)
        _day_axis(axes, refused.days)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}%")
        axes.set_ylim(bottom=0, top=None if any(refused.shares) else 1)

    return plot(draw, f"Refused share of the rows delivered, last {len(refused.days)} days")


def step_times(times: TimeLine) -> Plot:
    """Each run as a bar on one time line."""
    bars = times.bars[-BARS_AT_MOST:]
    steps = [short(bar.step, 30) for bar in bars]

    def draw(axes: Any) -> None:
        for row, bar in enumerate(bars):
            color = FAIL if bar.failed else SERIES[1]
            axes.barh(row, max(bar.seconds, 0.01), left=bar.start, height=0.62, color=color)
            end = (bar.start + bar.seconds, row)
            axes.annotate(
                f"{bar.seconds:.1f} s", end, xytext=(4, 0), textcoords="offset points", va="center", color=MUTED
            )
        axes.set_yticks(range(len(bars)), steps)
        axes.tick_params(axis="y", labelcolor=INK)
        axes.set_ylim(len(bars) - 0.5, -0.5)
        axes.set_xlim(right=max(bar.start + bar.seconds for bar in bars) * 1.12 + 0.1)
        axes.grid(visible=False, axis="y")
        axes.grid(visible=True, axis="x")
        axes.set_xlabel("seconds, pauses left out" if times.is_packed else "seconds since the first step began")

    caption = "When each step ran, and how long"
    return plot(draw, caption, height=0.6 + ROW_INCHES * len(bars), labels=steps)


def shelf_plots(shelf: Shelf) -> tuple[Plot, ...]:
    """The drawings of one surface."""
    if not shelf.lists:
        return ()
    drawn = [_lengths(shelf), _sources(shelf)]
    if shelf.categories:
        drawn.append(_categories(shelf))
    if shelf.scores.counts:
        drawn.append(_scores(shelf))
    return tuple(drawn)


def _lengths(shelf: Shelf) -> Plot:
    lengths = shelf.lengths

    def draw(axes: Any) -> None:
        axes.bar(list(lengths), list(lengths.values()), width=0.9, color=SERIES[1])
        axes.set_xlim(-0.5, max(lengths) + 1)
        axes.set_xlabel("entries in the list")
        _thousands(axes.yaxis)

    return plot(draw, "Lists by their length", of=shelf.surface)


def _sources(shelf: Shelf) -> Plot:
    places = shelf.places
    colors = {source: SERIES[(number + 1) % len(SERIES)] for number, source in enumerate(sorted(places))}

    def draw(axes: Any) -> None:
        length = max(map(len, places.values()))
        edges = [0.5 + place for place in range(length + 1)]
        below = [0.0] * (length + 1)
        for source, shares in places.items():
            above = [low + 100 * share for low, share in zip(below, (*shares, shares[-1]), strict=True)]
            axes.fill_between(edges, below, above, step="post", color=colors[source], linewidth=0)
            below = above
        axes.set_xlabel("place in the list")
        axes.set_xlim(0.5, length + 0.5)
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}%")
        axes.set_ylim(0, 100)

    legend = tuple((name, colors[name]) for name in places)
    return plot(draw, "Which source contributed most, by place", legend=legend, of=shelf.surface)


def _categories(shelf: Shelf) -> Plot:
    shares = shelf.categories[:CATEGORIES]
    rows = range(len(shares))
    names = [short(share.category) for share in shares]

    def draw(axes: Any) -> None:
        axes.barh([row - 0.2 for row in rows], [100 * s.lists for s in shares], height=0.36, color=SERIES[1])
        axes.barh([row + 0.2 for row in rows], [100 * s.events for s in shares], height=0.36, color=SERIES[0])
        axes.set_yticks(rows, names)
        axes.tick_params(axis="y", labelcolor=INK)
        axes.set_ylim(len(shares) - 0.5, -0.5)
        axes.grid(visible=False, axis="y")
        axes.grid(visible=True, axis="x")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}%")

    legend = ((f"top {TOP} of the lists", SERIES[1]), ("what people wanted", SERIES[0]))
    caption = "Category mix of lists and events"
    if len(shelf.categories) > len(shares):
        caption += f", the {len(shares)} most wanted of {len(shelf.categories)}"
    return plot(draw, caption, height=_mix_height(shelf), legend=legend, labels=names, of=shelf.surface)


def _scores(shelf: Shelf) -> Plot:
    edges = shelf.scores.edges

    def draw(axes: Any) -> None:
        widths = [right - left for left, right in pairwise(edges)]
        axes.bar(edges[:-1], shelf.scores.counts, width=widths, align="edge", color=SERIES[2])
        axes.set_xlabel("score")
        _thousands(axes.yaxis)

    return plot(draw, "Entries by their score", height=_mix_height(shelf), of=shelf.surface)


def _mix_height(shelf: Shelf) -> float:
    """The height of the two drawings that stand side by side below the first two."""
    return max(2.3, 0.4 + ROW_INCHES * min(len(shelf.categories), CATEGORIES))


def _day_axis(axes: Any, days: tuple[str, ...]) -> None:
    """A label a week, counted back from the last day."""
    ticks = list(range(len(days) - 1, -1, -7))[::-1]
    axes.set_xticks(ticks, [days[tick].partition("-")[2] for tick in ticks])
    axes.set_xlim(-0.6, len(days) - 0.4)


def _thousands(axis: Any) -> None:
    axis.set_major_formatter(lambda value, _: f"{value:,.0f}" if value == int(value) else "")
