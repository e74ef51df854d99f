"""Sorting into days keeps every line, in order, whatever fits into memory."""

from __future__ import annotations

import gzip
import tempfile
from pathlib import Path

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from daybreak.importing import day_files
from daybreak.importing.day_files import DaySpill, write_day_files

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


def test_a_day_is_the_same_bytes_however_it_was_spilled(tmp_path, monkeypatch):
    """Small pieces are packed together, large ones are cut, and no member holds a name or a time."""
    monkeypatch.setattr(day_files, "MEMBER_BYTES", 20)
    lines = [f"line {number}\n" for number in range(9)]
    contents = set()
    for spill_bytes in (1, 30, 1 << 20):
        spill = DaySpill(tmp_path / "lines", spill_bytes)
        for line in lines:
            spill.add(pa.array([line]), np.array([0]))
        folder = tmp_path / str(spill_bytes)
        assert write_day_files(spill, folder, lambda _: None) == ["1970-01-01"]
        contents.add((folder / "ds=1970-01-01" / "part-00000.jsonl.gz").read_bytes())
        spill.close()
    (content,) = contents
    assert gzip.decompress(content).decode() == "".join(lines)
    assert content.count(b"\x1f\x8b\x08\x00\x00\x00\x00\x00") == 4
