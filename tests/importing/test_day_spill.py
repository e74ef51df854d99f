"""Sorting into days keeps every line, in order, whatever fits into memory."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from daybreak.importing.day_spill import DaySpill

BATCHES = st.lists(st.lists(st.tuples(st.integers(-3, 3), st.text(max_size=4)), max_size=12), max_size=6)


@settings(deadline=None, max_examples=30)
@given(BATCHES, st.sampled_from([1, 60, 1 << 20]))
def test_each_day_gets_its_lines_in_the_order_they_came(batches, spill_bytes):
    """Spilling after every batch, now and then, or never gives the same days."""
    expected: dict[int, str] = {}
    counts: dict[int, int] = {}
    with tempfile.TemporaryDirectory() as folder:
        spill = DaySpill(Path(folder) / "lines", spill_bytes)
        for batch in batches:
            lines = pa.array([f"{text}\n" for _, text in batch], pa.string())
            spill.add(lines, np.array([day for day, _ in batch], dtype=np.int64))
            for day, text in batch:
                expected[day] = expected.get(day, "") + f"{text}\n"
                counts[day] = counts.get(day, 0) + 1
        assert {day: b"".join(spill.pieces(day)).decode() for day in spill.days()} == dict(sorted(expected.items()))
        assert spill.rows == counts
        spill.close()
