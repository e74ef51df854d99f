"""The way back: from table versions to the runs that made them, and to the files that were delivered."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.lineage import LineageBook, Touched
from tests.daybreak.records import record as run

FRIDAY, SATURDAY = "2026-11-20", "2026-11-21"


@pytest.fixture
def book(tmp_path: Path) -> LineageBook:
    """Two nights: landing, counting, listing. Saturday's landing also caught up Friday; one run failed."""
    written = LineageBook(tmp_path / "lineage")
    for record in (
        run("land", FRIDAY, 1, outputs=[Touched("events", 1, 10, FRIDAY)], files=["friday.jsonl"]),
        run("count", FRIDAY, 2, inputs=[Touched("events", 1)], outputs=[Touched("counts", 1, 3, FRIDAY)]),
        run("land", SATURDAY, 3, outputs=[Touched("events", 2, 20, f"{FRIDAY} to {SATURDAY}")], files=["both.jsonl"]),
        run("count", SATURDAY, 4, "failed", inputs=[Touched("events", 2)], outputs=[Touched("counts", 2, 3, SATURDAY)]),
        run("count", SATURDAY, 5, inputs=[Touched("events", 2)], outputs=[Touched("counts", 3, 4, SATURDAY)]),
    ):
        written.write(record)
    return written


def test_a_release_is_traced_to_the_runs_and_files_behind_it(book: LineageBook) -> None:
    """Only the runs that made these versions for this night, the latest first, failed ones never."""
    found = book.behind(SATURDAY, {"counts": 3})
    assert [(each.step, each.attempt) for each in found] == [("count", 5), ("land", 3)]
    assert found[-1].files == ["both.jsonl"]


def test_an_earlier_version_leads_to_the_earlier_run(book: LineageBook) -> None:
    """What landed later is not behind what was made before."""
    assert [each.attempt for each in book.behind(FRIDAY, {"counts": 1})] == [2, 1]
    assert book.behind(FRIDAY, {"counts": 0}) == []
    assert book.behind(FRIDAY, {"nothing": 9}) == []


def test_a_day_tells_its_runs_in_the_order_they_started(book: LineageBook) -> None:
    """Failed ones too."""
    assert [(each.attempt, each.status) for each in book.runs_of(SATURDAY)] == [(3, "done"), (4, "failed"), (5, "done")]
    assert book.runs_of("2026-01-01") == []
    assert len(list(book.all_runs())) == 5


@pytest.mark.parametrize(
    ("days", "ds", "covered"),
    [
        (FRIDAY, FRIDAY, True),
        (FRIDAY, SATURDAY, False),
        (f"{FRIDAY} to {SATURDAY}", SATURDAY, True),
        (f"{FRIDAY} to {SATURDAY}", "2026-11-22", False),
        (None, FRIDAY, False),
    ],
)
def test_a_span_covers_its_days(days: str | None, ds: str, covered: bool) -> None:
    """From the first to the last, both included."""
    assert Touched("events", 1, days=days).covers(ds) is covered
