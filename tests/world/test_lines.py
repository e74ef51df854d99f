"""Columns become the lines that writing row by row would give."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from daybreak.world.lines import decimals, numbers, render, text_table, timestamps

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MOMENTS = st.timedeltas(timedelta(0), timedelta(days=47_000)).map(lambda elapsed: EPOCH + elapsed)


@given(st.lists(st.integers(0, 10**12), min_size=1), st.sampled_from(["", "u", "ié"]))
def test_numbers_read_as_python_writes_them(values: list[int], prefix: str) -> None:
    """Any mix of lengths comes out without padding."""
    lines = render([numbers(prefix, np.array(values)), b"\n"], len(values))
    assert lines.decode() == "".join(f"{prefix}{value}\n" for value in values)


@given(st.lists(st.integers(0, 10**9), min_size=1))
def test_hundredths_read_as_decimal_numbers(cents: list[int]) -> None:
    """19 hundredths are 0.19, 1,900 are 19.00."""
    lines = render([*decimals(np.array(cents), 2), b"\n"], len(cents))
    assert lines.decode() == "".join(f"{value // 100}.{value % 100:02}\n" for value in cents)


@given(st.lists(MOMENTS, min_size=1))
def test_timestamps_read_as_iso_8601(moments: list[datetime]) -> None:
    """Microseconds since 1970 become the timestamp that Python formats."""
    micros = np.array([(moment - EPOCH) // timedelta(microseconds=1) for moment in moments])
    lines = render([*timestamps(micros), b"\n"], len(moments))
    assert lines.decode() == "".join(moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ\n") for moment in moments)


@given(st.lists(st.sampled_from(["", "web", "café", "Größe", "x"]), min_size=1))
def test_texts_of_any_width_stand_side_by_side(texts: list[str]) -> None:
    """Texts of a table keep their bytes, and an empty one leaves nothing."""
    names = sorted(set(texts))
    column = text_table(names)[np.array([names.index(text) for text in texts])]
    assert render([b"<", column, b">"], len(texts)).decode() == "".join(f"<{text}>" for text in texts)


def test_no_rows_are_no_text() -> None:
    """An empty block writes nothing."""
    assert render([b"x", numbers("u", np.array([], dtype=np.int64))], 0) == b""
