"""A contract as Spark columns: each declared column read from text, each rule as the condition that breaks it.

Every value arrives as text, so that a value of the wrong type is told from one that is missing.
"""

from __future__ import annotations

from functools import reduce
from operator import or_

from pyspark.sql import Column as SparkColumn
from pyspark.sql import functions as F
from pyspark.sql import types as T

from daybreak.contracts import Arrives, Between, Column, ColumnType, Dataset, Matches, MaxLength, OneOf, Rule
from daybreak.lake.spark_tables import SPARK_TYPES

CORRUPT = "_corrupt"
JSON_RULE = "row.json"
ENCODING_RULE = "row.encoding"
REPLACEMENT_CHARACTER = "\ufffd"


def text_schema(dataset: Dataset) -> T.StructType:
    """What a line is parsed into: every column as text, and the line itself where it is no JSON object."""
    names = [*dataset.column_names, CORRUPT]
    return T.StructType([T.StructField(name, T.StringType()) for name in names])


def typed(column: Column, text: SparkColumn) -> SparkColumn:
    """The value of a column, null where the text is not of its type."""
    if column.type is ColumnType.STRING:
        return text
    return text.try_cast(SPARK_TYPES[column.type])


def broken_rules(dataset: Dataset, line: SparkColumn, fields: SparkColumn, landed: SparkColumn) -> SparkColumn:
    """The names of the rules that a line breaks, separated by spaces; empty for a good line.

    `fields` is the parsed line (a struct of texts), `landed` the day that delivers it.
    """
    is_object = fields.isNotNull() & fields[CORRUPT].isNull()
    breaches = [(ENCODING_RULE, line.contains(REPLACEMENT_CHARACTER)), (JSON_RULE, ~is_object)]
    for column in dataset.columns:
        text = fields[column.name]
        value = typed(column, text)
        if column.type is not ColumnType.STRING:
            breaches.append((column.type_rule_id, is_object & text.isNotNull() & value.isNull()))
        if not column.nullable:
            breaches.append((column.required_rule_id, is_object & text.isNull()))
        breaches += [(column.rule_id(rule), _is_broken(rule, value, landed)) for rule in column.rules]
    return F.concat_ws(" ", *(F.when(condition, F.lit(name)) for name, condition in breaches))


def _is_broken(rule: Rule, value: SparkColumn, landed: SparkColumn) -> SparkColumn:
    """True where a value is there and breaks the rule."""
    match rule:
        case Between(low, high):
            sides = [F.isnan(value.cast("double"))]
            sides += [value < low] if low is not None else []
            sides += [value > (high if high is not None else 1.7976931348623157e308)]
            return reduce(or_, sides)
        case OneOf(values):
            return ~value.isin(*values)
        case Matches(pattern):
            return ~value.rlike(f"^(?:{pattern})$")
        case MaxLength(characters):
            return (F.length(value) > characters) | (F.length(value) == 0)
        case Arrives(late_days):
            day = F.to_date(landed)
            too_new = value >= F.date_add(day, 1).cast("timestamp")
            return too_new if late_days is None else too_new | (value < F.date_sub(day, late_days).cast("timestamp"))
