"""Renders the report of a night, and the index of all nights, as HTML pages that need nothing beside them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from validation.report import charts
from validation.report.gather import Report
from validation.report.runs import rows_written

NOT_FOR_PAGES = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


@dataclass(frozen=True)
class NightLine:
    """One night in the index."""

    ds: str
    outcome: str
    headline: str
    reason: str
    rows_in: int | None
    refused: int
    lists: int
    seconds: float

    @classmethod
    def of(cls, report: Report) -> NightLine:
        landed = report.landed
        return cls(
            ds=report.ds,
            outcome=report.verdict.outcome.value,
            headline=report.verdict.headline,
            reason=report.verdict.reason,
            rows_in=landed.total.rows_in if landed.accounts else None,
            refused=landed.refused_rows,
            lists=report.lists,
            seconds=round(report.seconds, 1),
        )

    @classmethod
    def read(cls, path: Path) -> NightLine:
        """The line of a night whose report was written before; one that says so where it cannot be read."""
        try:
            return cls(**json.loads(path.read_bytes()))
        except (ValueError, TypeError):
            again = f"Its summary cannot be read; write it again: daybreak run validation.report --ds {path.stem}"
            return cls(path.stem, "unknown", again, "", None, 0, 0, 0.0)

    def to_bytes(self) -> bytes:
        return json.dumps(asdict(self), indent=2, ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def render(report: Report, features_page: str | None = None) -> bytes:
    """The page of one night; `features_page` is the catalogue of features beside it, where there is one."""
    landed = report.landed
    return rendered(
        "page.html.j2",
        report=report,
        features_page=features_page,
        verdict=report.verdict,
        landed=landed,
        checked=report.checked,
        rows_written=rows_written,
        events_plot=charts.events_per_day(landed.events) if landed.events.counts else None,
        refused_plot=charts.refused_per_day(landed.refused) if landed.refused.is_known else None,
        times_plot=charts.step_times(report.times) if report.times.bars else None,
        shelf_plots={part.shelf.surface: charts.shelf_plots(part.shelf) for part in report.shelves},
    )


def render_index(nights: Sequence[NightLine]) -> bytes:
    """The page that lists all nights, the newest first."""
    return rendered("index.html.j2", nights=sorted(nights, key=lambda night: night.ds, reverse=True))


def rendered(template: str, **values: Any) -> bytes:
    """A page from its template, in which every value is escaped."""
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_printable,
    )
    environment.filters.update(number=_number, percent=_percent, value=_value, coded=_coded)
    return environment.get_template(template).render(values).encode("utf-8")


def _printable(value: Any) -> Any:
    """Text without what a page must not hold: control characters, and marks that turn the direction of what follows."""
    if isinstance(value, Markup) or not isinstance(value, str):
        return value
    return NOT_FOR_PAGES.sub("\N{REPLACEMENT CHARACTER}", value)


def _coded(text: str) -> Markup:
    """What stands between backticks, as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(_printable(text)))))


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f}"


def _percent(value: float | None) -> str:
    """A share that is not quite all, or nearly none, does not read as all or none."""
    if value is None:
        return "–"
    if 0.9995 <= value < 1:
        return "> 99.9%"
    return f"{value:.1%}" if value >= 0.01 or value == 0 else f"{100 * value:.2g}%"


def _value(value: float | None) -> str:
    """A gate's value: whole numbers whole."""
    if value is None or not math.isfinite(value):
        return "–" if value is None else str(value)
    return f"{value:,.0f}" if value == int(value) else f"{value:.4f}"
