"""Draws with matplotlib into SVG that stands in the page itself and takes its colours from the page.

Every colour is drawn as a stand-in and replaced by a CSS variable, so one drawing serves light and dark.
The same numbers give the same bytes: no dates, no random ids.
"""

from __future__ import annotations

import hashlib
import io
import re
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup, escape

WIDTH, LETTER, NUMBER_LETTERS = 5.2, 0.067, 6
INK, MUTED, GRID, FAIL = "#010101", "#010102", "#010103", "#010104"
SERIES = tuple(f"#0102{number:02x}" for number in range(8))
VARIABLES = {
    INK: "ink",
    MUTED: "muted",
    GRID: "rule",
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
}
NO_METADATA = {"Date": None, "Creator": None, "Format": None, "Type": None}


@dataclass(frozen=True)
class Plot:
    """A drawing with its caption and the names of its colours."""

    svg: Markup
    caption: str
    legend: tuple[tuple[str, str], ...] = ()


def plot(
    draw: Callable[[Any], None],
    caption: str,
    *,
    height: float = 2.3,
    legend: tuple[tuple[str, str], ...] = (),
    labels: Sequence[str] = (),
    of: str = "",
) -> Plot:
    """Lets `draw` fill matplotlib axes. `legend` pairs names with stand-in colours; `labels` stand left of the axes.

    `of` tells drawings with one caption apart, such as those of several surfaces.
    """
    import matplotlib as mpl
    from matplotlib.backends.backend_svg import FigureCanvasSVG
    from matplotlib.figure import Figure

    buffer = io.StringIO()
    with mpl.rc_context(STYLE), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from font")
        figure = Figure(figsize=(WIDTH, height))
        axes = figure.add_subplot()
        draw(axes)
        left = 0.12 + LETTER * max(map(len, labels), default=NUMBER_LETTERS)
        bottom = 0.42 if axes.get_xlabel() else 0.24
        figure.subplots_adjust(left / WIDTH, bottom / height, 1 - 0.1 / WIDTH, 1 - 0.06 / height)
        FigureCanvasSVG(figure).print_svg(buffer, metadata=NO_METADATA)
    named = tuple((name, VARIABLES[color]) for name, color in legend)
    return Plot(_inline(buffer.getvalue(), f"{caption}: {of}" if of else caption), caption, named)


def _inline(document: str, name: str) -> Markup:
    """The drawing as a part of an HTML page: no prolog, no size or style of its own, no id that another drawing has."""
    svg = document[document.index("<svg") :].strip()
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = re.sub(r'\s(?:width|height)="[\d.]+pt"', "", svg, count=2)
    svg = _with_own_ids(svg, name)
    svg = re.sub("|".join(VARIABLES), lambda match: f"var(--{VARIABLES[match[0]]})", svg)
    return Markup(svg.replace("<svg ", f'<svg role="img" aria-label="{escape(name)}" ', 1))


def _with_own_ids(svg: str, name: str) -> str:
    """Drops the ids that nothing refers to, and marks the others as those of this drawing."""
    used = set(re.findall(r'(?:url\(#|href="#)([^)"]+)', svg))
    mark = hashlib.sha256(f"{name}/{svg}".encode()).hexdigest()[:8]
    svg = re.sub(r'\sid="([^"]+)"', lambda match: f' id="{mark}-{match[1]}"' if match[1] in used else "", svg)
    return re.sub(r'(url\(#|href="#)', rf"\g<1>{mark}-", svg)


def short(text: str, characters: int = 22) -> str:
    """A label that fits beside an axis."""
    printable = "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
    return printable if len(printable) <= characters else printable[: characters - 1] + "…"
