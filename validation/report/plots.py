"""Draws with matplotlib into SVG that stands in the page itself and takes its colours from the page.

Every colour is drawn as a stand-in and replaced by a CSS variable, so that one drawing serves light and dark; text stays text.
The same numbers give the same bytes: no dates, no random ids.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

WIDTH = 5.2
INK, MUTED, GRID = "#010101", "#010102", "#010103"
PASS, FAIL = "#010104", "#010105"
SERIES = tuple(f"#0102{number:02x}" for number in range(8))
VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    GRID: "rule",
    PASS: "good",
    FAIL: "bad",
    **{color: f"series-{number}" for number, color in enumerate(SERIES)},
}
STYLE: dict[str, Any] = {
    "svg.fonttype": "none",
    "svg.hashsalt": "daybreak",
    "font.size": 8.5,
    "font.family": "sans-serif",
    "text.parse_math": False,
    "text.color": INK,
    "axes.labelcolor": MUTED,
    "axes.edgecolor": GRID,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.spines.left": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "axes.formatter.useoffset": False,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "figure.facecolor": "none",
    "xtick.color": GRID,
    "ytick.color": GRID,
    "xtick.labelcolor": MUTED,
    "ytick.labelcolor": MUTED,
    "ytick.major.size": 0,
    "xtick.major.size": 2.5,
    "hatch.linewidth": 0.5,
}
NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


@dataclass(frozen=True)
class Plot:
    """A drawing with its caption and the names of its colours."""

    svg: Markup
    caption: str
    legend: tuple[tuple[str, str], ...] = ()


def plot(
    draw: Callable[[Any], None], caption: str, *, height: float = 2.3, legend: tuple[tuple[str, str], ...] = ()
) -> Plot:
    """Lets `draw` fill matplotlib axes. `legend` pairs each name with one of the stand-in colours."""
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    buffer = io.StringIO()
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(WIDTH, height), layout="constrained")
        FigureCanvasSVG(figure)
        draw(figure.add_subplot())
        figure.savefig(buffer, format="svg", metadata=NO_METADATA)
    named = tuple((name, VARIABLES[color]) for name, color in legend)
    return Plot(_inline(buffer.getvalue(), caption), caption, named)


def _inline(document: str, caption: str) -> Markup:
    """The drawing as a part of an HTML page: no prolog, no style of its own, no ids that another drawing has too."""
    svg = document[document.index("<svg") :].strip()
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\s(?:width|height)="[\d.]+pt"', "", svg, count=2)
    svg = re.sub(r'\sid="[A-Za-z.]+_?\d*(?:_\d+)*"', _kept_if_used(svg), svg)
    svg = re.sub("|".join(VARIABLES), lambda match: f"var(--{VARIABLES[match[0]]})", svg)
    return Markup(svg.replace("<svg ", f'<svg role="img" aria-label="{escape(caption)}" ', 1))


def _kept_if_used(svg: str) -> Callable[[re.Match[str]], str]:
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', svg))
    return lambda match: match[0] if match[0].split('"')[1] in used else ""


def short(text: str, characters: int = 22) -> str:
    """A label that fits beside an axis."""
    printable = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return printable if len(printable) <= characters else printable[: characters - 1] + "…"
