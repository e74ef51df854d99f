"""Timestamps as sources write them, read into microseconds in UTC. What cannot be read is null; nothing is guessed."""

from __future__ import annotations

from datetime import UTC, datetime

import pyarrow as pa
import pyarrow.compute as pc

from daybreak.importing.texts import as_text

MOMENT = pa.timestamp("us")
EPOCHS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
ISO = "iso"
EXAMPLE = datetime(2026, 11, 20, 12, 34, 56, tzinfo=UTC)
FIRST_MOMENT = -62_135_596_800_000_000
LAST_MOMENT = 253_402_300_799_999_999
"""The years 1 to 9999, in microseconds since 1970: what a date can be written for."""

ISO_SHAPE = r"^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}([.,]\d{1,})?)?(Z|[+-]\d{2}(:?\d{2})?)?)?$"
ZONED = r":.*(Z|[+-]\d{2}(:?\d{2})?)$"
WHOLE_NUMBER = r"^-?\d{1,18}$"
DECIMAL = r"^-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$"


def is_timestamp_format(how: str) -> bool:
    """Whether `how` says how to read a timestamp: a name, or a format of strptime."""
    if how == ISO or how in EPOCHS:
        return True
    try:
        return "%" in how and bool(datetime.strptime(EXAMPLE.strftime(how), how))  # noqa: DTZ007 (only tried out)
    except ValueError:
        return False


def parse_timestamps(values: pa.Array, how: str) -> pa.Array:
    """Moments in UTC, null where a value is null or is not what `how` says. A source's own timestamps and dates are
    taken as they are; a text without a zone is UTC."""
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        return _in_range(values.cast(pa.timestamp("us", getattr(values.type, "tz", None)), safe=False).cast(MOMENT))
    text = as_text(values)
    if how in EPOCHS:
        return _in_range(_from_epoch(text, EPOCHS[how]))
    return _in_range(_from_iso(text) if how == ISO else _from_format(text, how))


def write_timestamps(moments: pa.Array) -> pa.Array:
    """Moments as text, `2026-11-20T12:34:56.123456Z`."""
    text = pc.binary_replace_slice(moments.cast(pa.string()), start=10, stop=11, replacement="T")
    return pc.binary_join_element_wise(text, "Z", "")


def write_days(day_numbers: list[int]) -> list[str]:
    """Days since 1970 as text, `2026-11-20`."""
    return pa.array(day_numbers, pa.int32()).cast(pa.date32()).cast(pa.string()).to_pylist()


def _from_epoch(text: pa.Array, microseconds: int) -> pa.Array:
    """Whole numbers exactly, fractions to the nearest microsecond."""
    try:
        whole = text.cast(pa.int64())
    except pa.ArrowInvalid:
        whole = _where(text, pc.match_substring_regex(text, WHOLE_NUMBER)).cast(pa.int64())
    bound = LAST_MOMENT // microseconds
    whole = _where(whole, pc.less_equal(pc.abs(whole), bound))
    exact = pc.multiply(whole, microseconds)
    if exact.null_count > text.null_count:
        fraction = _where(text, pc.match_substring_regex(text, DECIMAL)).cast(pa.float64())
        scaled = pc.round(pc.multiply(fraction, float(microseconds)))
        scaled = _where(scaled, pc.less(pc.abs(scaled), 9e18))
        exact = pc.coalesce(exact, scaled.cast(pa.int64()))
    return exact.cast(MOMENT)


def _from_iso(text: pa.Array) -> pa.Array:
    shaped = _where(text, pc.match_substring_regex(text, ISO_SHAPE))
    shaped = pc.replace_substring_regex(shaped, r"[.,](\d{1,6})\d*", r".\1")
    zoned = pc.match_substring_regex(shaped, ZONED)
    local = _cast_each(_where(shaped, pc.invert(zoned)), MOMENT)
    if not pc.any(zoned).as_py():
        return local
    return pc.coalesce(local, _cast_each(_where(shaped, zoned), pa.timestamp("us", "UTC")).cast(MOMENT))


def _cast_each(text: pa.Array, moment: pa.DataType) -> pa.Array:
    """A cast in which one impossible value, such as a thirteenth month, costs only itself."""
    try:
        return text.cast(moment)
    except pa.ArrowInvalid:
        if len(text) == 1:
            return pa.nulls(1, moment)
        middle = len(text) // 2
        return pa.concat_arrays([_cast_each(text.slice(0, middle), moment), _cast_each(text.slice(middle), moment)])


def _from_format(text: pa.Array, how: str) -> pa.Array:
    """By strptime, once for each distinct value."""
    distinct = text.dictionary_encode()
    moments = pa.array([_moment(value, how) for value in distinct.dictionary.to_pylist()], MOMENT)
    return moments.take(distinct.indices)


def _moment(value: str, how: str) -> datetime | None:
    try:
        moment = datetime.strptime(value, how)  # noqa: DTZ007 (a format without a zone means UTC)
        return moment.astimezone(UTC).replace(tzinfo=None) if moment.tzinfo else moment
    except (ValueError, OverflowError):
        return None


def _in_range(moments: pa.Array) -> pa.Array:
    number = moments.cast(pa.int64())
    inside = pc.and_(pc.greater_equal(number, FIRST_MOMENT), pc.less_equal(number, LAST_MOMENT))
    return _where(moments, inside)


def _where(values: pa.Array, wanted: pa.Array) -> pa.Array:
    return pc.if_else(wanted, values, pa.scalar(None, values.type))
