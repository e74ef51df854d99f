"""The bytes we make are the bytes Feast makes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from redis.connection import Connection

from daybreak.contracts import ColumnType
from daybreak.errors import InputError
from daybreak.lake.schemas import ARROW_TYPES
from feature_repo import encoding
from feature_repo.redis_store import commands

INT64 = st.integers(-(2**63), 2**63 - 1)
MOMENTS = st.integers(0, 7 * 10**15).map(
    lambda micros: datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)
)
VALUES: dict[ColumnType, tuple[str, st.SearchStrategy[Any]]] = {
    ColumnType.STRING: ("STRING", st.text(max_size=200)),
    ColumnType.INT32: ("INT32", st.integers(-(2**31), 2**31 - 1)),
    ColumnType.INT64: ("INT64", INT64),
    ColumnType.FLOAT64: ("DOUBLE", st.floats(allow_nan=False)),
    ColumnType.BOOL: ("BOOL", st.booleans()),
    ColumnType.TIMESTAMP: ("UNIX_TIMESTAMP", MOMENTS),
    ColumnType.STRINGS: ("STRING_LIST", st.lists(st.text(max_size=150), max_size=5)),
    ColumnType.VECTOR: ("FLOAT_LIST", st.lists(st.floats(width=32, allow_nan=False), max_size=70)),
}


@pytest.mark.parametrize("kind", VALUES)
def test_values_are_the_bytes_that_feast_makes(kind: ColumnType) -> None:
    """Of every type that a feature can have, with nulls and empty values among them."""
    from feast.type_map import python_values_to_proto_values
    from feast.value_type import ValueType

    name, strategy = VALUES[kind]

    @settings(max_examples=60)
    @given(values=st.lists(st.none() | strategy, min_size=1, max_size=8), skipped=st.integers(0, 2))
    def check(values: list[Any], skipped: int) -> None:
        column = pa.array(values, ARROW_TYPES[kind]).slice(skipped)
        expected = [
            each.SerializeToString() for each in python_values_to_proto_values(column.to_pylist(), ValueType[name])
        ]
        assert encoding.values(kind, column).to_pylist() == expected

    check()


@given(rows=st.lists(st.tuples(st.text(max_size=300), st.text(max_size=5)), min_size=1, max_size=5))
@example(rows=[("", ""), ("x" * 256, "é")])
def test_keys_are_the_bytes_that_feast_makes(rows: list[tuple[str, str]]) -> None:
    """Whatever the order in which the keys are declared."""
    from feast.infra.key_encoding_utils import serialize_entity_key, serialize_entity_key_prefix
    from feast.protos.feast.types.EntityKey_pb2 import EntityKey
    from feast.protos.feast.types.Value_pb2 import Value

    names = ["user_id", "item_id"]
    columns = [pa.array(column, pa.string()) for column in zip(*rows, strict=True)]
    expected = [
        serialize_entity_key(EntityKey(join_keys=names, entity_values=[Value(string_val=each) for each in row]), 3)
        for row in rows
    ]
    assert encoding.entity_keys(names, columns).to_pylist() == expected
    assert encoding.key_prefix(names) == serialize_entity_key_prefix(names)


@given(moments=st.lists(MOMENTS, min_size=1, max_size=8))
@example(moments=[datetime(1970, 1, 1, tzinfo=UTC)])
def test_moments_are_the_bytes_that_feast_makes(moments: list[datetime]) -> None:
    """To the microsecond."""
    from google.protobuf.timestamp_pb2 import Timestamp

    def serialized(moment: datetime) -> bytes:
        stamp = Timestamp()
        stamp.FromDatetime(moment)
        return stamp.SerializeToString()

    column = pa.array(moments, ARROW_TYPES[ColumnType.TIMESTAMP])
    assert encoding.moments(column).to_pylist() == [serialized(moment) for moment in moments]


@given(rows=st.lists(st.tuples(st.binary(max_size=300), st.binary(max_size=9)), min_size=1, max_size=5))
def test_commands_are_the_bytes_that_a_client_sends(rows: list[tuple[bytes, bytes]]) -> None:
    """Constants and columns, in any order."""
    one, two = (pa.array(column, pa.binary()) for column in zip(*rows, strict=True))
    sent = [b"".join(Connection().pack_command(b"HSET", first, b"f*", second)) for first, second in rows]
    assert commands([b"HSET", one, b"f*", two]).to_pylist() == sent


def test_what_has_no_key_is_refused() -> None:
    """It could never be looked up, so it is an error of the job that made it."""
    with pytest.raises(InputError, match="1 rows have no item_id"):
        encoding.entity_keys(["user_id", "item_id"], [pa.array(["u1", "u2"]), pa.array(["i1", None])])


@pytest.mark.parametrize("kind", [ColumnType.STRINGS, ColumnType.VECTOR])
def test_a_list_with_a_gap_is_refused(kind: ColumnType) -> None:
    """Feast's message of a list has no place for a null."""
    with pytest.raises(InputError, match="holds nulls"):
        encoding.values(kind, pa.array([[None]], ARROW_TYPES[kind]))
