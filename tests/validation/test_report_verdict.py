"""The verdict tells what came of a night, what is live and what to type next."""

from __future__ import annotations

import shlex
from typing import Any

import pytest
from typer.core import TyperGroup
from typer.main import get_command

from daybreak.cli.main import app
from daybreak.lineage import RunRecord
from tests.daybreak.records import record
from validation.report.verdict import EVIDENCE, Live, Outcome, judge

DS = "2026-11-20"
RELEASE = f"{DS}-abc"
LIVE = Live(RELEASE, "blend-1", DS, has_before=True)
OLDER = Live("2026-11-19-old", "blend-0", "2026-11-19")


def _run(step: str, at: int, status: str = "done", **more: Any) -> RunRecord:
    return record(step, DS, status=status, started_at=f"2026-11-21T02:00:{at:02d}Z", **more)


PUBLISHED = _run("serving_export.publish", 9, release=RELEASE, summary={"release": RELEASE, "published": True})


def test_a_published_night_names_its_release_and_what_to_try() -> None:
    """The release, its model and day, a list that exists, and the way back."""
    verdict = judge(DS, [_run("jobs.ingest", 1), PUBLISHED], LIVE, ("for_you", "u 1"))
    assert (verdict.outcome, verdict.release) == (Outcome.PUBLISHED, RELEASE)
    assert RELEASE in verdict.headline
    assert verdict.live == "It is live: model blend-1, day 2026-11-20."
    lines = [command.line for command in verdict.commands]
    assert lines[0] == "daybreak lookup for_you 'u 1'"
    assert f"daybreak lineage {RELEASE}" in lines
    assert any(line.startswith("daybreak releases rollback ") for line in lines)


def test_a_first_release_offers_no_way_back() -> None:
    """There is nothing to roll back to before the first release."""
    verdict = judge(DS, [PUBLISHED], Live(RELEASE, "blend-1", DS), None)
    assert not any("rollback" in command.line for command in verdict.commands)


def test_a_published_night_says_when_another_release_is_live() -> None:
    """After a roll-back the page of the night does not claim to be live."""
    verdict = judge(DS, [PUBLISHED], Live("2026-11-19-old", "blend-0", "2026-11-19", pinned=True), None)
    assert verdict.live == "Live is 2026-11-19-old (model blend-0, day 2026-11-19, pinned)."


def test_a_release_that_was_not_made_live_says_why() -> None:
    """A backfill that leaves a newer day live is neither a failure nor a publication."""
    summary = {"published": False, "because": "2026-11-25-new of a newer day is live"}
    verdict = judge(DS, [_run("serving_export.publish", 9, release=RELEASE, summary=summary)], OLDER, None)
    assert verdict.outcome is Outcome.KEPT
    assert "2026-11-25-new of a newer day is live" in verdict.reason


@pytest.mark.parametrize(
    ("step", "evidence"),
    [
        ("jobs.ingest", f"daybreak tables quarantine/rows --ds {DS}"),
        ("validation.audit", f"daybreak tables validation/audits --ds {DS}"),
        ("serving_export.gates", f"daybreak tables serving/gates --ds {DS}"),
        ("jobs.trending", f"daybreak run jobs.trending --ds {DS}"),
    ],
)
def test_a_stopped_night_gives_the_reason_and_where_to_look(step: str, evidence: str) -> None:
    """The sentence of the step that failed, what is still live, and first the command that shows the evidence."""
    runs = [_run("jobs.ingest", 1), _run(step, 5, "failed", error="it is too dirty\n  at org.apache.spark.Trace")]
    verdict = judge(DS, runs, OLDER, None)
    assert (verdict.outcome, verdict.headline, verdict.reason) == (
        Outcome.STOPPED,
        f"Stopped at {step}",
        "it is too dirty",
    )
    assert "2026-11-19-old" in verdict.live
    assert verdict.commands[0].line == evidence
    assert verdict.commands[-1].line == f"daybreak nightly --ds {DS}"


def test_a_step_that_failed_and_then_passed_stops_nothing() -> None:
    """Of two attempts the later one counts."""
    verdict = judge(DS, [_run("jobs.ingest", 1, "failed", error="gone"), _run("jobs.ingest", 4), PUBLISHED], LIVE, None)
    assert verdict.outcome is Outcome.PUBLISHED


def test_a_killed_night_is_unfinished() -> None:
    """A killed step leaves no record; the page says after which step, and that nothing is live yet."""
    verdict = judge(DS, [_run("jobs.ingest", 1)], Live(), None)
    assert (verdict.outcome, verdict.live) == (Outcome.UNFINISHED, "Nothing is live yet.")
    assert "jobs.ingest" in verdict.reason
    assert judge(DS, [], Live(), None).reason == f"No step has run for {DS} yet."


def test_a_pointer_that_cannot_be_read_is_told() -> None:
    """The page does not guess what is live."""
    verdict = judge(DS, [PUBLISHED], Live(problem="the pointer is torn"), None)
    assert verdict.live == "What is live cannot be told: the pointer is torn"


def test_a_failure_without_words_and_one_with_too_many_fit_the_page() -> None:
    """No reason is told as such, and an endless one is cut."""
    silent = judge(DS, [_run("jobs.ingest", 1, "failed", error="")], OLDER, None)
    assert silent.reason == "it left no reason"
    endless = judge(DS, [_run("jobs.ingest", 1, "failed", error="x" * 9_000)], OLDER, None)
    assert len(endless.reason) < 700


def _nights() -> dict[str, list[RunRecord]]:
    kept = _run("serving_export.publish", 9, release=RELEASE, summary={"published": False})
    stops = {step: [_run(step, 5, "failed", error="no")] for step in (*EVIDENCE, "jobs.trending")}
    return {"published": [PUBLISHED], "kept": [kept], "unfinished": [], **stops}


@pytest.mark.parametrize("night", _nights())
def test_every_command_that_is_offered_is_one(night: str) -> None:
    """A person can type it as it stands: the command line knows the verb, its arguments and its options."""
    for offered in judge(DS, _nights()[night], LIVE, ("for_you", "u 1")).commands:
        program, *words = shlex.split(offered.line)
        name, command = program, get_command(app)
        while isinstance(command, TyperGroup):
            name, command, words = command.resolve_command(command.context_class(command), words)
        command.make_context(name, words)
        assert (program, name != program) == ("daybreak", True)
