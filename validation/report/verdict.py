"""What a night came to, in one line: published, kept beside, stopped or unfinished; what is live; what to do next."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from daybreak.datasets import AUDITS, GATES, QUARANTINE
from daybreak.indexes import INDEX_GATES
from daybreak.lineage import RunRecord
from validation.report.runs import latest_of_each_step

REASON_CHARACTERS = 600
PUBLISHES_LISTS = "serving_export.publish"
EVIDENCE = {
    "jobs.ingest": QUARANTINE,
    "validation.audit": AUDITS,
    "indexing.publish": INDEX_GATES,
    "serving_export.gates": GATES,
}


class Outcome(StrEnum):
    """How a night ended."""

    PUBLISHED = "published"
    KEPT = "kept beside"
    STOPPED = "stopped"
    UNFINISHED = "unfinished"


@dataclass(frozen=True)
class Live:
    """What readers are served now, and whether something was before it; `problem` where that cannot be told."""

    release: str | None = None
    model: str = ""
    ds: str = ""
    pinned: bool = False
    has_before: bool = False
    problem: str = ""


@dataclass(frozen=True)
class Command:
    """A line to type, and what it is for."""

    line: str
    purpose: str


@dataclass(frozen=True)
class Verdict:
    """A night in one line. `reason` is the sentence of the step that stopped it."""

    outcome: Outcome
    headline: str
    reason: str
    live: str
    commands: tuple[Command, ...]
    release: str | None = None


def judge(ds: str, runs: Sequence[RunRecord], live: Live, lookup: tuple[str, str] | None) -> Verdict:
    """The verdict on night `ds`. `lookup` is a surface and a query that has a list, to try."""
    latest = latest_of_each_step(runs)
    failed = [run for run in latest if run.status != "done"]
    published = next((run for run in latest if run.step == PUBLISHES_LISTS and run.release), None)
    if failed:
        return _stopped(ds, failed[-1], live)
    if published is None:
        return _unfinished(ds, latest, live)
    if not published.summary.get("published"):
        return _kept(published, live)
    return _published(published, live, lookup)


def _published(run: RunRecord, live: Live, lookup: tuple[str, str] | None) -> Verdict:
    is_live = live.release == run.release
    tries = [Command(shlex.join(["daybreak", "lookup", *lookup]), "see a list as the product would")] if lookup else []
    undo = Command(
        "daybreak releases rollback --reason WHY", "make the release before live again, should these lists be wrong"
    )
    return Verdict(
        outcome=Outcome.PUBLISHED,
        headline=f"Published {run.release}",
        reason="",
        live=f"It is live: model {live.model}, day {live.ds}." if is_live else _live_sentence(live),
        commands=(
            *tries,
            Command("daybreak serve", "serve the lists over HTTP"),
            Command(f"daybreak lineage {run.release}", "see what they were made from, back to the files"),
            *([undo] if is_live and live.has_before else []),
        ),
        release=run.release,
    )


def _kept(run: RunRecord, live: Live) -> Verdict:
    because = str(run.summary.get("because", "the step that built it did not publish it"))
    return Verdict(
        outcome=Outcome.KEPT,
        headline=f"Built {run.release} and kept it beside",
        reason=f"It was not made live: {because}.",
        live=_live_sentence(live),
        commands=(Command("daybreak releases list", "see every release, and which one is live"),),
        release=run.release,
    )


def _stopped(ds: str, run: RunRecord, live: Live) -> Verdict:
    table = EVIDENCE.get(run.step)
    looks = [Command(f"daybreak tables {table.name} --ds {ds}", "see what it found, row by row")] if table else []
    return Verdict(
        outcome=Outcome.STOPPED,
        headline=f"Stopped at {run.step}",
        reason=_first_sentences(run.error or "it left no reason"),
        live=_live_sentence(live),
        commands=(
            *looks,
            Command(f"daybreak run {run.step} --ds {ds}", "try this step alone, to see its message again"),
            Command(f"daybreak nightly --ds {ds}", "run the night again once the cause is gone; it is safe to repeat"),
        ),
    )


def _unfinished(ds: str, latest: Sequence[RunRecord], live: Live) -> Verdict:
    reason = f"No step has run for {ds} yet."
    if latest:
        last = latest[-1].step
        reason = f"The last step that ended is {last}; the one after it left no record: it never ran, or was killed."
    return Verdict(
        outcome=Outcome.UNFINISHED,
        headline="Not finished",
        reason=reason,
        live=_live_sentence(live),
        commands=(Command(f"daybreak nightly --ds {ds}", "run the night; what is done already is done again safely"),),
    )


def _live_sentence(live: Live) -> str:
    if live.problem:
        return f"What is live cannot be told: {live.problem}"
    if live.release is None:
        return "Nothing is live yet."
    pinned = ", pinned" if live.pinned else ""
    return f"Live is {live.release} (model {live.model}, day {live.ds}{pinned})."


def _first_sentences(error: str) -> str:
    """The error without the trace that some engines put below it."""
    text = error.strip().partition("\n")[0]
    return text if len(text) <= REASON_CHARACTERS else text[:REASON_CHARACTERS] + "…"
