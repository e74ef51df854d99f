"""Timestamps are read exactly, or not at all."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daybreak.importing.timestamps import parse_timestamps, write_timestamps

ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(1900, 1, 1), datetime(2200, 1, 1))  # noqa: DTZ001 (naive means UTC here)


def read(values: list[str | None], how: str) -> list[datetime | None]:
    return parse_timestamps(pa.array(values, pa.string()), how).to_pylist()


@settings(deadline=None, max_examples=50)
@given(st.lists(st.tuples(MOMENTS, st.none() | ZONES), min_size=1, max_size=20), st.sampled_from("T "))
def test_iso_is_read_as_python_reads_it(moments, between):
    """Any mix of zones and none, with T or a space: the same moment in UTC as datetime finds."""
    local = [moment.replace(tzinfo=zone) for moment, zone in moments]
    utc = [m if m.tzinfo is None else m.astimezone(UTC).replace(tzinfo=None) for m in local]
    assert read([moment.isoformat(between) for moment in local], "iso") == utc


@settings(deadline=None, max_examples=50)
@given(st.lists(MOMENTS, min_size=1, max_size=20))
def test_what_is_written_is_read_back(moments):
    """Written timestamps have microseconds and Z, and mean the same moment."""
    written = write_timestamps(pa.array(moments, pa.timestamp("us"))).to_pylist()
    assert written == [moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ") for moment in moments]
    assert read(written, "iso") == moments


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(-(2**31), 2**33), min_size=1, max_size=20))
def test_epochs_of_every_unit_agree(seconds):
    """Seconds, milliseconds, microseconds and floats of one moment are that moment."""
    moments = [datetime(1970, 1, 1) + timedelta(seconds=second) for second in seconds]  # noqa: DTZ001
    assert read([str(second) for second in seconds], "epoch_s") == moments
    assert read([f"{second}.0" for second in seconds], "epoch_s") == moments
    assert read([f"{second}000" for second in seconds], "epoch_ms") == moments
    assert read([f"{second}000000" for second in seconds], "epoch_us") == moments


@pytest.mark.parametrize(
    ("value", "how"),
    [
        ("yesterday", "iso"),
        ("2026-13-01", "iso"),
        ("0000-01-01", "iso"),
        ("0001-01-01T00:00:00+14:00", "iso"),
        ("9999-12-31T23:59:59-01:00", "iso"),
        ("2026-02-30T00:00:00Z", "iso"),
        ("881250949", "iso"),
        ("", "iso"),
        ("soon", "epoch_s"),
        ("881250949000000", "epoch_s"),
        ("1e300", "epoch_s"),
        ("nan", "epoch_ms"),
        ("2026-11-20", "%d/%m/%Y"),
        ("31/02/2026", "%d/%m/%Y"),
    ],
)
def test_what_is_no_timestamp_is_null_and_costs_only_itself(value, how):
    """A wrong value among right ones is null; the right ones are read."""
    good = {"iso": "2026-11-20", "epoch_s": "1700000000", "epoch_ms": "1700000000000", "%d/%m/%Y": "20/11/2026"}[how]
    moments = read([good, value, None, good], how)
    assert moments[1:3] == [None, None]
    assert moments[0] == moments[3] is not None


def test_a_format_with_a_zone_is_moved_to_utc():
    """strptime's %z counts; without it the text is UTC."""
    assert read(["20/Nov/2026:13:00:00 +0100"], "%d/%b/%Y:%H:%M:%S %z") == [datetime(2026, 11, 20, 12)]  # noqa: DTZ001


@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns"])
def test_a_parquet_timestamp_needs_no_format(unit):
    """A source's own timestamp is taken as it is, in UTC."""
    moment = datetime(2026, 11, 20, 12, tzinfo=timezone(timedelta(hours=2)))
    values = pa.array([moment, None], pa.timestamp(unit, "Europe/Berlin"))
    assert parse_timestamps(values, "epoch_s").to_pylist() == [datetime(2026, 11, 20, 10), None]  # noqa: DTZ001
