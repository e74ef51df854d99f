"""What a dataset's declaration says, and the declarations that are refused."""

from __future__ import annotations

import re

import pytest

from daybreak.contracts import Between, Column, ColumnType, Dataset, Delivery, Matches, MaxLength, OneOf
from daybreak.datasets import DATASETS, EVENTS, USERS, dataset_named
from daybreak.errors import InputError
from daybreak.lake.schemas import full_schema
from daybreak.lake.spark_tables import spark_schema

NAME = Column("name", ColumnType.STRING, "a name", rules=(MaxLength(5),))


def test_every_rule_has_a_name_of_its_own_and_says_what_it_asks() -> None:
    """A row is reported under these names, so no two rules of a dataset share one."""
    for dataset in DATASETS.values():
        rules = dict(dataset.rules())
        assert len(rules) == len(list(dataset.rules()))
        assert all(said.startswith(name.split(".")[0] + " must ") for name, said in rules.items())
    events = dict(EVENTS.rules())
    assert events["event_id.required"] == "event_id must not be null"
    assert events["position.range"] == "position must be between 0 and 10000"
    assert "position.required" not in events


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        (Between(0), "at least 0"),
        (Between(None, 3), "at most 3"),
        (Between(0, 1e9), "between 0 and 1e+09"),
        (OneOf(("a", "b")), "one of a, b"),
        (Matches("[a-z]"), "of the form [a-z]"),
        (MaxLength(7), "1 to 7 characters"),
    ],
)
def test_rules_speak(rule: Between | OneOf | Matches | MaxLength, said: str) -> None:
    """Each rule says in words what it asks for."""
    assert rule.says() == said


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"columns": (NAME, NAME)}, "two columns have one name"),
        ({"key": ("nobody",)}, "key column nobody is not declared"),
        ({"delivery": Delivery(required=True, time_column="ts")}, "time column ts is not declared"),
    ],
)
def test_a_declaration_that_contradicts_itself_is_refused(wrong: dict, sentence: str) -> None:
    """Twice the same column, a key or a time that is no column: an error at import, not at night."""
    with pytest.raises(ValueError, match=sentence):
        Dataset(**{"name": "x", "doc": "x", "columns": (NAME,), "key": ("name",), **wrong})


def test_a_pattern_that_is_none_is_refused() -> None:
    """A broken regular expression is found where it is written."""
    with pytest.raises(re.error):
        Matches("(")


def test_both_engines_get_the_same_columns_in_the_same_order() -> None:
    """The Arrow and the Spark schema of a dataset come from one declaration."""
    for dataset in DATASETS.values():
        arrow, spark = full_schema(dataset), spark_schema(dataset)
        assert arrow.names == spark.names == [*dataset.column_names, *dataset.partition]
        assert [field.nullable for field in arrow][: len(dataset.columns)] == [c.nullable for c in dataset.columns]


def test_a_row_is_the_same_row_by_its_identity() -> None:
    """Events by their id; states also by when they began."""
    assert EVENTS.identity == ("event_id",)
    assert USERS.identity == ("user_id", "updated_ts")


def test_a_dataset_is_found_by_its_name_or_its_last_part() -> None:
    """`events` is enough; an unknown name is told with those there are."""
    assert dataset_named("events") is dataset_named("raw/events") is EVENTS
    with pytest.raises(InputError, match=r"no dataset is called 'event'; there are: .*raw/events"):
        dataset_named("event")
