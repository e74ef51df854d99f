"""`daybreak gates`, `explain` and `diff`, as somebody at a terminal has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from daybreak.datasets import LISTS, OVERRIDES
from daybreak.errors import GateError
from daybreak.lake import Lake, Window
from daybreak.releases import ReleaseStore
from daybreak.runner import run_steps
from daybreak.steps import step_named
from tests.daybreak.command_line import Command, command_line
from tests.serving_export.nights import NIGHT, PLAIN, put_tiny_night

STEPS = [step_named(f"serving_export.{name}") for name in ("lists", "gates", "publish")]
REASON = "the catalogue was cut on purpose"


@pytest.fixture
def daybreak(settings, lake, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> Command:
    """The command line over a night whose lists fail one gate that may be let pass."""
    put_tiny_night(lake)
    Path(settings.surfaces).write_text(PLAIN.replace("max_empty: 0.01", "max_empty: 0.01, min_catalogue: 1.0"))
    run_steps(STEPS[:1], NIGHT, settings)
    _drop_an_item(lake)
    with pytest.raises(GateError, match=r"for_you catalogue is 0\.97.* and must be >= 1\. .*stays live"):
        run_steps(STEPS[1:2], NIGHT, settings)
    return command_line(monkeypatch, capsys)


def _drop_an_item(lake: Lake) -> None:
    """Leaves one item out of all lists of users, and closes their ranks."""
    from tests.lake import put

    rows = sorted(lake.table(LISTS).read(Window(NIGHT, NIGHT)).to_pylist(), key=lambda row: row["rank"])
    kept, ranks = [], {}
    for row in rows:
        if row["surface"] == "for_you" and row["audience"] == "query" and row["candidate_id"] == "i0-0":
            continue
        key = (row["surface"], row["audience"], row["query_id"])
        ranks[key] = ranks.get(key, -1) + 1
        kept.append({**row, "rank": ranks[key]})
    put(lake, LISTS, NIGHT, kept)


def test_gates_shows_what_failed_and_by_how_much(daybreak):
    """All gates of the newest judged night, or only those that fail, of one surface or of all."""
    rows = daybreak("gates", "--json").json
    assert {row["surface"] for row in rows} == {"for_you", "similar_items"}
    failed = daybreak("gates", "--failed", "--json").json
    assert [(row["surface"], row["gate"], row["bound"]) for row in failed] == [("for_you", "catalogue", ">= 1")]
    assert {row["surface"] for row in daybreak("gates", "--surface", "similar_items", "--json").json} == {
        "similar_items"
    }
    told = daybreak("gates")
    assert told.code == 0
    assert "catalogue" in told.out


def test_a_gate_is_let_pass_with_a_reason_that_the_release_tells(settings, lake, daybreak):
    """The reason stands in the table, in `gates`, and in the manifest of the release; the night then goes live."""
    told = daybreak("gates", "--override", "for_you.catalogue", "--reason", REASON)
    assert told.code == 0
    assert "serving_export.publish" in told.out
    assert [row["reason"] for row in lake.table(OVERRIDES).read(Window(NIGHT, NIGHT)).to_pylist()] == [REASON]
    run_steps(STEPS[1:], NIGHT, settings)
    manifest = ReleaseStore(settings.releases).current().manifest
    assert manifest.built_from["overrides"] == {"for_you catalogue": REASON}
    assert [row["let_pass"] for row in daybreak("gates", "--failed", "--json").json] == [REASON]


@pytest.mark.parametrize(
    ("gate", "reason", "told"),
    [
        ("for_you.catalogue", "", "the reason must tell why"),
        ("catalogue", REASON, "'catalogue' names no gate; write SURFACE.GATE"),
        ("for_you.luck", REASON, "no gate for_you luck on .* was judged"),
        ("for_you.coverage", REASON, "for_you coverage on .* holds, so there is nothing to let pass"),
    ],
)
def test_what_cannot_be_let_pass_is_told(daybreak, gate, reason, told):
    """In one sentence, and nothing is recorded."""
    import re

    assert re.search(told, daybreak("gates", "--override", gate, "--reason", reason).sentence)


def test_explain_and_diff_print_for_people_and_for_programs(settings, lake, daybreak):
    """The list of the live release's night, one entry of it, and two releases beside each other."""
    daybreak("gates", "--override", "for_you.catalogue", "--reason", REASON)
    run_steps(STEPS[1:], NIGHT, settings)
    told = daybreak("explain", "similar_items", "i0-3", "--json").json
    assert told["same_as_written"]
    first = told["entries"][0]["candidate"]
    alone = daybreak("explain", "similar_items", "i0-3", "--candidate", first, "--json").json
    assert [entry["candidate"] for entry in alone["entries"]] == [first]
    assert first in daybreak("explain", "similar_items", "i0-3", "--ds", NIGHT).out
    assert "tables have changed" in daybreak("explain", "for_you", "u1-0").out
    compared = daybreak("diff", NIGHT, "--json").json
    assert compared["surfaces"]["similar_items"]["entries_kept"] == 1.0
    assert "similar_items" in daybreak("diff", NIGHT, NIGHT).out
