"""Point-in-time joins in Spark: every row of a spine with what was known at its moment, and nothing later.

The rows of the spine and of all sides with the same keys go through one shuffle, sorted by key and time, and a running
maximum over (event, availability, values) is the answer at each row of the spine: it is the docstring of
`daybreak.features.as_of` as one window. Everything stays in the JVM and spills where it must, so memory is bounded by
Spark's settings. An entity with very many spine rows is dealt out to several tasks, each with all that is known of it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import or_

from pyspark.sql import Column, DataFrame, Window
from pyspark.sql import functions as F

from daybreak.features import as_of
from daybreak.features.as_of import AVAILABLE_TS, EVENT_TS, AsOf

SPINE_ROWS_A_SHARE = 500_000
"""So many spine rows of one entity a task takes in before others are given a share."""
COUNTED_ONE_IN = 16
"""Entities with many rows are found in a sample: one moment of so many, the same ones whenever Spark looks again."""

MOMENT, ROW, SHARE, SHARES, VALUES = "moment", "row", "share", "shares", "values"
KINDS = {
    "tinyint": as_of.WHOLE,
    "smallint": as_of.WHOLE,
    "int": as_of.WHOLE,
    "bigint": as_of.WHOLE,
    "string": as_of.TEXT,
    "date": as_of.DATE,
    "boolean": as_of.BOOLEAN,
    "timestamp": as_of.INSTANT,
}


def join(spine: DataFrame, spine_ts: str, sides: Sequence[tuple[AsOf, DataFrame]]) -> DataFrame:
    """The rows of the spine, each with the columns of the sides as of its `spine_ts`."""
    as_of.check(_kinds(spine), spine_ts, [(side, _kinds(rows)) for side, rows in sides])
    joined = spine
    for keys in dict.fromkeys(side.found_by for side, _ in sides):
        shares = _shares(spine, keys, spine_ts)
        alike = [(side, rows) for side, rows in sides if side.found_by == keys]
        joined = _join_by(joined, keys, spine_ts, alike, shares)
    outputs = [output for side, _ in sides for output in side.outputs]
    return joined.select([_named(name) for name in (*spine.columns, *outputs)])


def _kinds(frame: DataFrame) -> dict[str, str]:
    types = {field.name: field.dataType.simpleString() for field in frame.schema.fields}
    return {name: KINDS.get(type_, type_) for name, type_ in types.items()}


def _join_by(
    spine: DataFrame,
    keys: Sequence[str],
    spine_ts: str,
    sides: Sequence[tuple[AsOf, DataFrame]],
    shares: DataFrame,
) -> DataFrame:
    """Joins the sides that the spine's columns `keys` find: one shuffle for all of them."""
    asked = spine.select(*_keys(keys), _named(spine_ts).alias(MOMENT), F.struct("*").alias(ROW))
    names = _numbered("key", keys)
    rows = _dealt_out(asked, names, shares)
    for side, known in zip(_numbered("side", sides), sides, strict=True):
        rows = rows.unionByName(_on_every_share(_known(*known, side), names, shares), allowMissingColumns=True)
    by_then = (
        Window.partitionBy(*names, SHARE)
        .orderBy(MOMENT, F.col(ROW).isNotNull())
        .rowsBetween(Window.unboundedPreceding, Window.currentRow)
    )
    latest = [F.max(side).over(by_then).alias(side) for side in _numbered("side", sides)]
    found = rows.select(MOMENT, ROW, *latest).where(F.col(ROW).isNotNull())
    columns = (
        column
        for found_side, (side, _) in zip(_numbered("side", sides), sides, strict=True)
        for column in _columns(side, found_side)
    )
    return found.select(f"{ROW}.*", *columns)


def _known(side: AsOf, rows: DataFrame, name: str) -> DataFrame:
    """What a side knows: by key, from which moment on, and as a value that is the greater the more it counts."""
    values = F.struct(*[_named(column) for column in side.columns]).alias(VALUES)
    return rows.dropna(subset=[_quoted(column) for column in (*side.keys, EVENT_TS, AVAILABLE_TS)]).select(
        *_keys(side.keys), F.col(AVAILABLE_TS).alias(MOMENT), F.struct(EVENT_TS, AVAILABLE_TS, values).alias(name)
    )


def _shares(spine: DataFrame, keys: Sequence[str], spine_ts: str) -> DataFrame:
    """The few entities with too many spine rows for one task, and into how many shares these are dealt out."""
    asked = spine.select(*_keys(keys), _named(spine_ts).alias(MOMENT))
    sampled = F.pmod(F.xxhash64("*"), F.lit(COUNTED_ONE_IN)) == 0
    shares = F.ceil(F.count("*") * COUNTED_ONE_IN / SPINE_ROWS_A_SHARE)
    by_entity = asked.where(sampled).groupBy(*_numbered("key", keys)).agg(shares.alias(SHARES))
    return F.broadcast(by_entity.where(F.col(SHARES) > 1))


def _dealt_out(asked: DataFrame, keys: Sequence[str], shares: DataFrame) -> DataFrame:
    """Each spine row in one share of its entity; rows that lack a key find nothing wherever they are."""
    keyless = reduce(or_, [F.col(key).isNull() for key in keys])
    of = F.when(keyless, F.lit(SPINE_ROWS_A_SHARE)).otherwise(F.coalesce(SHARES, F.lit(1)))
    share = F.pmod(F.xxhash64(MOMENT), of)
    return asked.join(shares, list(keys), "left").select(*keys, share.alias(SHARE), MOMENT, ROW)


def _on_every_share(known: DataFrame, keys: Sequence[str], shares: DataFrame) -> DataFrame:
    """What is known of an entity, once for each share of its spine rows."""
    every = F.explode(F.sequence(F.lit(0).cast("bigint"), F.coalesce(SHARES, F.lit(1)) - 1))
    return known.join(shares, list(keys), "left").withColumn(SHARE, every).drop(SHARES)


def _columns(side: AsOf, found: str) -> list[Column]:
    """The side's columns of what was found, unless that was too old."""
    age = F.unix_micros(MOMENT) - F.unix_micros(f"{found}.{EVENT_TS}")
    fresh = age <= side.ttl_us if side.ttl_us is not None else F.lit(True)
    return [
        F.when(fresh, F.col(f"{found}.{VALUES}").getField(column)).alias(side.output(column)) for column in side.columns
    ]


def _keys(columns: Iterable[str]) -> list[Column]:
    return [_named(column).alias(f"key_{number}") for number, column in enumerate(columns)]


def _numbered(name: str, things: Sequence[object]) -> list[str]:
    return [f"{name}_{number}" for number in range(len(things))]


def _named(column: str) -> Column:
    return F.col(_quoted(column))


def _quoted(column: str) -> str:
    return "`" + column.replace("`", "``") + "`"
