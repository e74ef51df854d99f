"""Drawings are the same every time, take their colours from the page and cannot break it."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest

from validation.report import charts
from validation.report.landing import EventDays, RefusedDays
from validation.report.plots import SERIES, VARIABLES, Plot, plot, short
from validation.report.runs import Bar, TimeLine
from validation.report.shelves import CategoryShare, Scores, Shelf

DAYS = tuple(f"2026-11-{day:02d}" for day in range(1, 29))
HOSTILE = "$x_{ </text><script>alert(1)</script> \x07 日本"


def _shelf(category: str = "tea") -> Shelf:
    return Shelf(
        surface="for_you", lists=3, entries=9, fallback=2, lengths={2: 1, 4: 2}, sources={"popular": 1.0},
        places={"popular": (1.0, 0.5), "trending": (0.0, 0.5)}, coverage=0.5, top_coverage=0.5, popular_share=0.1,
        categories=(CategoryShare(category, 0.5, 0.4), CategoryShare("others", 0.5, 0.6)),
        scores=Scores((1, 2), (0.0, 0.5, 1.0)),
    )  # fmt: skip


def _every_plot(label: str = "tea") -> list[Plot]:
    return [
        charts.events_per_day(EventDays(DAYS, {"view": tuple(range(28)), label: (1,) * 28})),
        charts.refused_per_day(RefusedDays(DAYS, (None, *(0.01,) * 27))),
        charts.step_times(TimeLine((Bar(label, 0, 3, failed=False), Bar("b", 3, 9, failed=True)), is_packed=True)),
        *charts.shelf_plots(_shelf(label)),
    ]


@pytest.fixture(scope="module")
def plots() -> list[Plot]:
    return _every_plot()


def test_the_same_numbers_give_the_same_bytes(plots: list[Plot]) -> None:
    """No date, random id or address is in a drawing, so that a rebuilt night gives an equal page."""
    assert [drawn.svg for drawn in _every_plot()] == [drawn.svg for drawn in plots]
    assert not any("<metadata" in drawn.svg for drawn in plots)


def test_drawings_take_every_colour_from_the_page(plots: list[Plot]) -> None:
    """No stand-in and no fixed colour is left, so that one drawing reads well in light and dark."""
    for drawn in plots:
        assert "var(--" in drawn.svg
        assert not re.search(r"#[0-9a-f]{6}\b", drawn.svg)
        assert {name for _, name in drawn.legend} <= set(VARIABLES.values())


def test_ids_are_the_drawings_own_and_lead_somewhere(plots: list[Plot]) -> None:
    """Two drawings on one page share no id, and each reference finds its target."""
    seen: set[str] = set()
    for drawn in plots:
        ids = set(re.findall(r'\sid="([^"]+)"', drawn.svg))
        assert not ids & seen
        assert set(re.findall(r'(?:url\(#|href="#)([^)"]+)', drawn.svg)) <= ids
        seen |= ids


def test_a_drawing_says_what_it_shows_and_fits_its_place() -> None:
    """It has a name for those who do not see it, and no size of its own."""
    svg = charts.refused_per_day(RefusedDays(DAYS, (0.5,) * 28)).svg
    root = ElementTree.fromstring(svg)
    assert root.get("aria-label") == "Refused share of the rows delivered, last 28 days"
    assert root.get("width") is None
    assert root.get("viewBox")


@pytest.mark.parametrize("label", [HOSTILE, "$$" + "a" * 300])
def test_hostile_names_are_drawn_as_text(label: str) -> None:
    """Dollar signs are no formulas, markup is no markup, and what cannot be drawn does not stop the page."""
    for drawn in _every_plot(label):
        root = ElementTree.fromstring(drawn.svg)
        assert not [element for element in root.iter() if element.tag.endswith("script")]


def test_a_surface_without_lists_of_its_own_draws_nothing() -> None:
    """There is nothing to draw for a surface that has only a fallback."""
    nothing = Shelf("s", 0, 0, 5, {}, {}, {}, None, None, None, (), Scores((), ()))
    assert charts.shelf_plots(nothing) == ()


def test_of_many_categories_the_most_wanted_are_drawn_and_the_caption_says_so() -> None:
    """A catalogue of a hundred categories gives a drawing that fits the page."""
    many = tuple(CategoryShare(f"c{n}", 0.01, 0.01) for n in range(100))
    drawn = charts.shelf_plots(replace(_shelf(), categories=many))[2]
    assert drawn.caption == "Category mix of lists and events, the 14 most wanted of 100"
    assert ("c13" in drawn.svg, "c14" in drawn.svg) == (True, False)


def test_long_labels_are_cut_and_made_printable() -> None:
    """A label beside an axis is short and holds no control character."""
    assert short("a" * 50) == "a" * 21 + "…"
    assert short("a\x00b\u202ec") == "a\N{REPLACEMENT CHARACTER}b\N{REPLACEMENT CHARACTER}c"


def test_the_page_style_names_every_colour_that_is_drawn() -> None:
    """Each colour of a drawing is defined for light and for dark."""
    text = (Path(charts.__file__).parent / "templates" / "style.css").read_text(encoding="utf-8")
    for name in VARIABLES.values():
        assert text.count(f"--{name}:") == 2, name


def test_legends_name_the_colours_used() -> None:
    """A legend's colour is the one in the drawing."""
    drawn = plot(lambda axes: axes.bar([1], [1], color=SERIES[4]), "one bar", legend=(("it", SERIES[4]),))
    assert drawn.legend == (("it", "series-4"),)
    assert "var(--series-4)" in drawn.svg
