"""A dataset's declaration as a Great Expectations suite.

Row by row the rules are the ones that landing split the delivery by; here another engine proves that what was
accepted keeps them, and adds what only whole tables can show: that no identity stands twice, and that the day is
fresh.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from daybreak.clock import days_before, end_of
from daybreak.contracts import Arrives, Between, Dataset, Matches, MaxLength, OneOf, Rule

LARGEST_FLOAT = 1.7976931348623157e308

if TYPE_CHECKING:
    from great_expectations.expectations import Expectation


FRESHNESS = "expect_column_max_to_be_between"
"""Holds where the night brought events of its own day; it says nothing against the rows that it did bring."""


def expectations(dataset: Dataset, first_ds: str, last_ds: str) -> list[Expectation]:
    """What must hold for the rows that the days from `first_ds` to `last_ds` delivered."""
    import great_expectations.expectations as gxe

    wanted: list[Any] = [
        gxe.ExpectTableColumnsToMatchSet(column_set=[*dataset.column_names, *dataset.partition], exact_match=True)
    ]
    for column in dataset.columns:
        if not column.nullable:
            wanted.append(gxe.ExpectColumnValuesToNotBeNull(column=column.name))
        wanted += [_of_rule(rule, column.name, first_ds, last_ds) for rule in column.rules]
    once = list(dataset.lands_once)
    if len(once) == 1:
        wanted.append(gxe.ExpectColumnValuesToBeUnique(column=once[0]))
    else:
        wanted.append(gxe.ExpectCompoundColumnsToBeUnique(column_list=once))
    if dataset.delivery and dataset.delivery.by_event_day:
        newest = dataset.delivery.time_column
        wanted.append(
            gxe.ExpectColumnMaxToBeBetween(
                column=newest, min_value=end_of(days_before(last_ds, 1)), max_value=end_of(last_ds)
            )
        )
    return wanted


def _of_rule(rule: Rule, column: str, first_ds: str, last_ds: str) -> Any:
    import great_expectations.expectations as gxe

    match rule:
        case Between(low, high):
            return gxe.ExpectColumnValuesToBeBetween(
                column=column,
                min_value=low if low is not None else -LARGEST_FLOAT,
                max_value=high if high is not None else LARGEST_FLOAT,
            )
        case OneOf(values):
            return gxe.ExpectColumnValuesToBeInSet(column=column, value_set=list(values))
        case Matches(pattern):
            return gxe.ExpectColumnValuesToMatchRegex(column=column, regex=rf"(?a)\A(?:{pattern})\Z")
        case MaxLength(characters):
            return gxe.ExpectColumnValueLengthsToBeBetween(column=column, min_value=1, max_value=characters)
        case Arrives(late_days):
            earliest = end_of(days_before(first_ds, late_days + 1)) if late_days is not None else None
            return gxe.ExpectColumnValuesToBeBetween(
                column=column, min_value=earliest, max_value=end_of(last_ds), strict_max=True
            )
