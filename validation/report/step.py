"""Writes the night's report.

Writes `<home>/reports/<day>.html`, one page that needs nothing beside it, and `index.html`, which lists all nights. The
page tells what came of the night, what landed, what was refused and why, how the audits and gates ended, how long each
step took, and what the lists look like, with a few of them to read. It runs last, also after a night that stopped: it
shows what there is and says what stopped it. It changes no table and nothing that is served.
A second run of a day replaces the page; apart from attempts, times and what is live by then it is the same page.
"""

from __future__ import annotations

from pydantic import Field

from daybreak.files import write_atomically
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from validation.report.features import FEATURES_PAGE
from validation.report.gather import gather
from validation.report.page import NightLine, render, render_index


class ReportConfig(StepConfig):
    """How far the plots look back, and how many lists of a surface are shown."""

    days: int = Field(28, ge=2, le=366, description="days that the plots look back")
    samples: int = Field(5, ge=0, le=50, description="lists shown of each surface")


def run(config: ReportConfig, io: StepIO) -> Summary:
    """Gathers, renders, and writes the page, the night's line and the index."""
    report = gather(io, days=config.days, samples=config.samples)
    folder = io.settings.reports
    page = folder / f"{config.ds}.html"
    features = FEATURES_PAGE if (folder / FEATURES_PAGE).exists() else None
    write_atomically(page, render(report, features))
    write_atomically(folder / f"{config.ds}.json", NightLine.of(report).to_bytes())
    nights = [NightLine.read(path) for path in folder.glob("????-??-??.json")]
    write_atomically(folder / "index.html", render_index(nights))
    return {"page": str(page), "verdict": report.verdict.outcome.value, "nights": len(nights)}
