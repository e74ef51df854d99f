"""What is delivered keeps the contract, and the ledger counts it rightly."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from daybreak.contracts import Arrives, Between, Column, Dataset, Matches, MaxLength, OneOf, Rule
from daybreak.datasets import DELIVERED, EVENTS
from tests.world.conftest import DAYS, Delivered


def _broken(column: Column, rule: Rule) -> str:
    """The condition of rows that break the rule."""
    name = column.name
    match rule:
        case Between(low, high):
            bounds = [f"{name} < {low}"] if low is not None else []
            return " OR ".join([f"isnan({name}::DOUBLE)", *bounds, *([f"{name} > {high}"] if high is not None else [])])
        case OneOf(values):
            return f"{name} NOT IN {values}"
        case Matches(pattern):
            return f"NOT regexp_full_match({name}, '{pattern}')"
        case MaxLength(characters):
            return f"length({name}) NOT BETWEEN 1 AND {characters}"
        case Arrives(late_days):
            early = "" if late_days is None else f" OR {name}::DATE < ds - {late_days}"
            return f"{name}::DATE > ds{early}"


def _conditions() -> Iterator[tuple[Dataset, str]]:
    for dataset in DELIVERED:
        for column in dataset.columns:
            if not column.nullable:
                yield dataset, f"{column.name} IS NULL"
            for rule in column.rules:
                yield dataset, _broken(column, rule)


@pytest.mark.parametrize(("dataset", "broken"), list(_conditions()), ids=lambda value: getattr(value, "name", value))
def test_clean_rows_keep_the_contract(delivered: Delivered, dataset: Dataset, broken: str) -> None:
    """No row of a world without dirt breaks a rule of its dataset."""
    assert delivered.one(f"SELECT count(*) FROM {dataset.short_name} WHERE {broken}") == (0,)


@pytest.mark.parametrize("dataset", [d for d in DELIVERED if d is not EVENTS], ids=lambda dataset: dataset.name)
def test_keys_are_unique_in_a_day(delivered: Delivered, dataset: Dataset) -> None:
    """A day's file has one state of each user, item and tie."""
    keys = ", ".join(("ds", *dataset.key))
    rows, distinct = delivered.one(f"SELECT count(*), count(DISTINCT ({keys})) FROM {dataset.short_name}")
    assert rows == distinct > 0


def test_rows_with_one_event_id_are_equal(delivered: Delivered) -> None:
    """Repeated events are exact duplicates, in one file or up to three days apart."""
    columns = ", ".join(EVENTS.column_names)
    ids, contents = delivered.one(f"SELECT count(DISTINCT event_id), count(DISTINCT ({columns})) FROM events")
    assert ids == contents
    same, later = delivered.one(
        "SELECT count(*) FILTER (last = first), count(*) FILTER (last > first) FROM "
        "(SELECT min(ds) AS first, max(ds) AS last FROM events GROUP BY event_id HAVING count(*) > 1)"
    )
    assert same > 0
    assert later > 0


def test_ledgers_count_rows_late_rows_and_duplicates(delivered: Delivered) -> None:
    """Taking the files in order, what is repeated and what is late is what each day's ledger says."""
    counted = delivered.tables.execute(
        "WITH numbered AS (SELECT *, row_number() OVER (PARTITION BY event_id ORDER BY ds) AS nth FROM events) "
        "SELECT ds::VARCHAR, count(*), count(*) FILTER (nth > 1), "
        "count(*) FILTER (nth = 1 AND event_ts::DATE < ds) FROM numbered GROUP BY ds ORDER BY ds"
    ).fetchall()
    ledgers = delivered.ledgers
    assert counted == [(day.ds, day.events, day.duplicates, day.late) for day in ledgers]
    for dataset in ("users", "items", "edges"):
        rows = delivered.tables.execute(f"SELECT count(*) FROM {dataset} GROUP BY ds ORDER BY ds").fetchall()
        assert [count for (count,) in rows] == [getattr(day, dataset) for day in ledgers]


def test_first_day_delivers_everyone_and_later_days_only_changes(delivered: Delivered) -> None:
    """The population comes first; after that a day brings who and what joined, changed or left."""
    first, rest = delivered.ledgers[0], delivered.ledgers[1:]
    assert (first.users, first.items) == (delivered.world.users, delivered.world.items)
    assert all(0 < day.users < first.users / 10 and 0 < day.items < first.items / 5 for day in rest)
    statuses = delivered.tables.execute("SELECT DISTINCT status FROM users UNION ALL SELECT DISTINCT status FROM items")
    assert sorted(statuses.fetchall()) == sorted([("active",), ("deactivated",)] * 2)


def test_text_tells_what_an_item_is(delivered: Delivered) -> None:
    """Descriptions name the brand and the category, so that text can stand for content."""
    told, rows, words = delivered.one(
        "SELECT count(*) FILTER (contains(description, brand) AND contains(description, category)), count(*), "
        "count(DISTINCT description) FROM items"
    )
    assert told == rows
    assert words > rows / 2


def test_prices_paid_are_list_prices(delivered: Delivered) -> None:
    """A purchase costs what the newest row of the item up to that day says."""
    wrong, right = delivered.one(
        "SELECT count(*) FILTER (e.price <> i.price), count(*) FILTER (e.price = i.price) FROM events e "
        "ASOF JOIN items i ON e.item_id = i.item_id AND e.event_ts >= i.updated_ts WHERE e.event_type = 'purchase'"
    )
    assert wrong == 0
    assert right > DAYS * 50
