"""The table of forms."""

from __future__ import annotations

from itertools import count
from pathlib import Path

from training.export.forms import Candidate, Form, compared


def test_forms_stand_side_by_side(tmp_path: Path) -> None:
    """Two of different sizes, with a clock that ticks a second at each look, over 2,000 rows."""
    (tmp_path / "a").write_bytes(b"x" * 10)
    (tmp_path / "b").write_bytes(b"x" * 4)
    candidates = {
        "whole": Candidate(tmp_path / "a", lambda: [1.0, 0.0]),
        "light": Candidate(tmp_path / "b", lambda: [0.5, 0.5]),
    }
    ticks = count()
    found = compared(candidates, 2_000, max, repeats=3, clock=lambda: float(next(ticks)))
    assert found == [Form("whole", 10, 500_000.0, 1.0), Form("light", 4, 500_000.0, 0.5)]


def test_the_fastest_of_the_repeats_counts(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"")
    times = iter([0.0, 5.0, 10.0, 11.0, 20.0, 23.0])
    found = compared({"a": Candidate(tmp_path / "a", list)}, 1_000, len, repeats=3, clock=lambda: next(times))
    assert found[0].microseconds_per_1000_rows == 1e6
