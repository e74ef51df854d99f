"""Both point-in-time joins give what the rule says row by row, on worlds made to trip them, and refuse what they cannot
join in a sentence that says the way out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

import duckdb
import pyarrow as pa
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F

from daybreak.errors import InputError
from daybreak.features.as_of import AsOf
from jobs import point_in_time, point_in_time_duckdb
from tests.jobs.point_in_time_oracle import MOMENT, PAIR, SIDES, SPINE, START, TASTE, VISITS, Row, World, told, worlds

ZONES = ("UTC", "America/New_York", "Asia/Kathmandu")
CASE = "case"
WORLDS_AT_ONCE = 150
Tables = Sequence[tuple[AsOf, pa.Table]]
Join = Callable[[pa.Table, Tables], pa.Table]


def by_duckdb(spine: pa.Table, sides: Tables, zone: str = "UTC") -> pa.Table:
    """What DuckDB makes of the tables in a session of that time zone."""
    with duckdb.connect(config={"threads": 2}) as engine:
        engine.execute(f"SET TimeZone = '{zone}'")
        engine.register("spine", spine)
        for number, (_, rows) in enumerate(sides):
            engine.register(f"rows {number}", rows)
        sources = [(side, f'"rows {number}"') for number, (side, _) in enumerate(sides)]
        return point_in_time_duckdb.join(engine, "spine", "ts", sources).to_arrow_table()


def frames(spark: SparkSession, spine: pa.Table, sides: Tables) -> tuple[DataFrame, list[tuple[AsOf, DataFrame]]]:
    return spark.createDataFrame(spine), [(side, spark.createDataFrame(rows)) for side, rows in sides]


def by_spark(spark: SparkSession, spine: pa.Table, sides: Tables) -> pa.Table:
    asked, known = frames(spark, spine, sides)
    return point_in_time.join(asked, "ts", known).toArrow()


@pytest.fixture(params=["duckdb", "spark"])
def join(request: pytest.FixtureRequest) -> Join:
    """Either engine."""
    if request.param == "duckdb":
        return by_duckdb
    spark = request.getfixturevalue("spark")
    return lambda spine, sides: by_spark(spark, spine, sides)


@pytest.fixture
def small_shares(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spark deals out an entity from a hundred rows on."""
    monkeypatch.setattr(point_in_time, "SPINE_ROWS_A_SHARE", 100)
    monkeypatch.setattr(point_in_time, "COUNTED_ONE_IN", 1)


@settings(max_examples=120)
@given(worlds(), st.sampled_from(ZONES))
def test_duckdb_finds_what_the_rule_says_in_every_zone(world: World, zone: str) -> None:
    spine, sides = world.tables()
    assert told(by_duckdb(spine, list(sides.items()), zone).to_pylist()) == told(world.expected)


@pytest.mark.parametrize("zone", ZONES[:2])
def test_spark_finds_what_the_rule_says_in_every_zone(spark: SparkSession, zone: str) -> None:
    """Many worlds in one job: each has a number, which is one more key."""
    cases = _drawn(WORLDS_AT_ONCE)
    spine = _numbered(SPINE, [world.spine for world in cases])
    sides = [
        (_by_case(side), _numbered(schema, [world.sides[side] for world in cases])) for side, schema in SIDES.items()
    ]
    zone_before = spark.conf.get("spark.sql.session.timeZone")
    spark.conf.set("spark.sql.session.timeZone", zone)
    try:
        found = by_spark(spark, spine, sides).to_pylist()
    finally:
        spark.conf.set("spark.sql.session.timeZone", zone_before)
    by_case: dict[int, list[Row]] = {number: [] for number in range(len(cases))}
    for row in found:
        by_case[row.pop(CASE)].append(row)
    for number, world in enumerate(cases):
        assert told(by_case[number]) == told(world.expected), world


def _drawn(number: int) -> list[World]:
    drawn: list[World] = []

    @settings(max_examples=number, phases=[Phase.generate], derandomize=True, database=None)
    @given(worlds())
    def keep(world: World) -> None:
        drawn.append(world)

    keep()
    return drawn


def _by_case(side: AsOf) -> AsOf:
    return replace(side, keys=(*side.keys, CASE), found_by=(*side.found_by, CASE))


def _numbered(schema: pa.Schema, rows: Sequence[Sequence[Row]]) -> pa.Table:
    numbered = [{**row, CASE: number} for number, of_case in enumerate(rows) for row in of_case]
    return pa.Table.from_pylist(numbered, schema.append(pa.field(CASE, pa.int64())))


def test_both_find_what_an_asof_join_by_hand_finds(join: Join) -> None:
    """Rows that are available as they happen, one a moment: all that an ASOF join alone can do."""
    random = Random(7)
    moments = [START + timedelta(minutes=minute) for minute in range(500)]
    spine = _spine([_asked(random.randrange(40), random.choice(moments), number) for number in range(3_000)])
    known = [
        _visit(f"u{user}", moment, moment, loyal=random.random() < 0.5)
        for user in range(30)
        for moment in random.sample(moments, 20)
    ]
    rows = pa.Table.from_pylist(known, SIDES[VISITS])
    with duckdb.connect() as engine:
        engine.register("spine", spine)
        engine.register("visits", rows)
        expected = engine.sql(
            "SELECT s.*, v.last_seen AS visits__last_seen, v.loyal AS visits__loyal,"
            " v.last_seen AS nightly__last_seen, v.loyal AS nightly__loyal"
            " FROM spine AS s ASOF LEFT JOIN visits AS v ON s.user_id = v.visitor AND s.ts >= v.available_ts"
        ).to_arrow_table()
    nightly = replace(VISITS, name="nightly", in_order=True)
    assert told(join(spine, [(VISITS, rows), (nightly, rows)]).to_pylist()) == told(expected.to_pylist())


def test_an_entity_with_most_rows_is_dealt_out_and_loses_none(spark: SparkSession, small_shares: None) -> None:
    """A bot's rows, and those of nobody, come out once each, from more than one task, and right."""
    random = Random(3)
    moments = [START + timedelta(seconds=second) for second in range(2_000)]
    spine = _spine(
        [
            _asked(user, random.choice(moments), number)
            for number, user in enumerate([1] * 3_000 + [None] * 500 + [2, 3])
        ]
    )
    rows = pa.Table.from_pylist(
        [_visit("u1", moment, moment + timedelta(minutes=random.randrange(9)), loyal=None) for moment in moments]
        + [_visit("u2", START, START, loyal=True)],
        SIDES[VISITS],
    )
    asked, known = frames(spark, spine, [(VISITS, rows)])
    spark.conf.set("spark.sql.adaptive.enabled", "false")
    try:
        joined = point_in_time.join(asked, "ts", known).withColumn("task", F.spark_partition_id()).toArrow()
    finally:
        spark.conf.set("spark.sql.adaptive.enabled", "true")
    tasks_of = {user: {row["task"] for row in joined.to_pylist() if row["user_id"] == user} for user in ("u1", None)}
    assert all(len(tasks) > 1 for tasks in tasks_of.values())
    assert told(joined.drop_columns("task").to_pylist()) == told(by_duckdb(spine, [(VISITS, rows)]).to_pylist())


def test_more_rows_than_memory_spill(tmp_path: Path) -> None:
    """DuckDB keeps to its limit, and the answer can be read a batch at a time."""
    with duckdb.connect(config={"threads": 2, "memory_limit": "96MB", "temp_directory": str(tmp_path)}) as engine:
        engine.execute(
            "CREATE VIEW spine AS SELECT 'u' || i % 5000 AS user_id, make_timestamptz(i * 1000000) AS ts, i AS request"
            " FROM range(1500000) AS t(i)"
        )
        engine.execute(
            "CREATE VIEW known AS SELECT 'u' || i % 5000 AS user_id, make_timestamptz(i * 10000000) AS event_ts,"
            " event_ts AS available_ts, i AS score FROM range(100000) AS t(i)"
        )
        side = AsOf("taste", ("user_id",), ("score",), in_order=True)
        batches = point_in_time_duckdb.join(engine, "spine", "ts", [(side, "known")]).to_arrow_reader(10_000)
        assert sum(batch.num_rows for batch in batches) == 1_500_000


@pytest.mark.parametrize("rows_in", [0, 3])
def test_nothing_known_and_nothing_asked(join: Join, rows_in: int) -> None:
    spine = _spine([_asked(1, START, number) for number in range(rows_in)])
    joined = join(spine, [(side, schema.empty_table()) for side, schema in SIDES.items()])
    outputs = [output for side in SIDES for output in side.outputs]
    assert joined.column_names == [*SPINE.names, *outputs]
    assert told(joined.to_pylist()) == told([{**row, **dict.fromkeys(outputs)} for row in spine.to_pylist()])


def test_a_column_may_have_any_name(join: Join) -> None:
    spine = pa.table({"the `user`": ["ann"], "ts": pa.array([START], MOMENT), 'a."row"': [1], "row": [[2.5]]})
    known = pa.table({"key 0": ["ann"], "event_ts": spine["ts"], "available_ts": spine["ts"], "ts.x": ["yes"]})
    side = AsOf("the `side`", ("key 0",), ("ts.x",), found_by=("the `user`",))
    assert join(spine, [(side, known)]).to_pylist() == [
        *(spine.append_column("the `side`__ts.x", [["yes"]]).to_pylist())
    ]


def test_a_row_superseded_on_arrival_never_counts(join: Join) -> None:
    """What describes yesterday and comes after what describes today stays unseen, for good."""
    day, hour = timedelta(days=1), timedelta(hours=1)
    known = [_visit("u1", START, START, loyal=True), _visit("u1", START - day, START + hour, loyal=False)]
    spine = _spine([_asked(1, START + after, 0) for after in (timedelta(0), hour, 9 * day)])
    joined = join(spine, [(VISITS, pa.Table.from_pylist(known, SIDES[VISITS]))])
    assert joined["visits__loyal"].to_pylist() == [True] * 3


SPINE_LACKS = SPINE.remove(SPINE.get_field_index("user_id"))
TOLD = SPINE.set(SPINE.get_field_index("ts"), pa.field("ts", pa.string()))
TAKEN = SPINE.append(pa.field("taste__tags", pa.string()))


def _changed(side: AsOf, **columns: pa.DataType | None) -> dict[AsOf, pa.Schema]:
    kept = {field.name: columns.get(field.name, field.type) for field in SIDES[side]}
    return {side: pa.schema([(name, type_) for name, type_ in kept.items() if type_ is not None])}


@pytest.mark.parametrize(
    ("spine", "sides", "said"),
    [
        (SPINE_LACKS, _changed(TASTE), "the spine of a point-in-time join has no column user_id"),
        (TOLD, _changed(TASTE), "the spine of a point-in-time join has ts as text, .* make it a timestamp with time"),
        (TAKEN, _changed(TASTE), "taste: its column would come out as taste__tags"),
        (SPINE, _changed(TASTE, tags=None), "side taste of a point-in-time join has no column tags; it has: user_id"),
        (SPINE, _changed(VISITS, visitor=None), "side visits of a point-in-time join has no column visitor"),
        (SPINE, _changed(TASTE, available_ts=None), "side taste of a point-in-time join has no column available_ts"),
        (SPINE, _changed(TASTE, event_ts=pa.string()), "has event_ts as text, .* make it a timestamp with time zone"),
        (SPINE, _changed(PAIR, item=pa.string()), "pair: its key item is a text, but the spine's item_id is a whole"),
        (SPINE, _changed(PAIR, item=pa.float64()), "pair: its key item is a double, .* cast one of them"),
    ],
)
def test_what_cannot_be_joined_is_refused_with_a_way_out(
    join: Join, spine: pa.Schema, sides: Mapping[AsOf, pa.Schema], said: str
) -> None:
    with pytest.raises(InputError, match=f"(?i){said}"):
        join(spine.empty_table(), [(side, schema.empty_table()) for side, schema in sides.items()])


def test_times_of_no_zone_are_refused(spark: SparkSession) -> None:
    """They would be other moments in another session."""
    naive = SIDES[TASTE].set(1, pa.field("event_ts", pa.timestamp("us"))).empty_table()
    said = "side taste of a point-in-time join has event_ts as timestamp"
    with pytest.raises(InputError, match=f"(?i){said}"):
        by_duckdb(SPINE.empty_table(), [(TASTE, naive)])
    asked, [(side, known)] = frames(spark, SPINE.empty_table(), [(TASTE, naive)])
    with pytest.raises(InputError, match=said):
        point_in_time.join(asked, "ts", [(side, known.withColumn("event_ts", F.col("event_ts").cast("timestamp_ntz")))])


def test_two_sides_of_one_name_are_refused(join: Join) -> None:
    taste = SIDES[TASTE].empty_table()
    with pytest.raises(
        InputError, match="taste: its column would come out as taste__score, but the spine or an earlier"
    ):
        join(SPINE.empty_table(), [(TASTE, taste), (TASTE, taste)])


@pytest.mark.parametrize(
    ("declared", "said"),
    [
        ({"keys": ()}, "at least one key"),
        ({"columns": ()}, "at least one column"),
        ({"found_by": ("a", "b")}, "1 keys are found by as many columns, not 2"),
        ({"ttl": timedelta(0)}, "would let no row count"),
    ],
)
def test_a_side_that_could_find_nothing_is_refused(declared: dict[str, object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        replace(AsOf("taste", ("user_id",), ("score",)), **declared)


def _spine(rows: Sequence[Row]) -> pa.Table:
    return pa.Table.from_pylist(list(rows), SPINE)


def _asked(user: int | None, moment: datetime, request: int) -> Row:
    return {
        "user_id": None if user is None else f"u{user}",
        "item_id": 1,
        "ts": moment,
        "slate": ["a", "b"],
        "request": request,
    }


def _visit(user: str, happened: datetime, available: datetime, loyal: bool | None) -> Row:
    return {"visitor": user, "event_ts": happened, "available_ts": available, "last_seen": happened, "loyal": loyal}
