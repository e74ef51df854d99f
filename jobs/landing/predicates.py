"""A contract as Spark columns: each declared column read from text, each rule as the condition that breaks it.

Every value arrives as text, so that a value of the wrong type is told from one that is missing. A number or boolean
where a string is declared is taken as its text; a list or an object is not.
"""

from __future__ import annotations

from functools import reduce
from operator import or_

from pyspark.sql import Column as SparkColumn
from pyspark.sql import functions as F
from pyspark.sql import types as T

from daybreak.contracts import Arrives, Between, Column, ColumnType, Dataset, Matches, MaxLength, OneOf, Rule
from daybreak.lake.spark_tables import SPARK_TYPES

JSON_RULE = "row.json"
ENCODING_RULE = "row.encoding"
LARGEST_FLOAT = 1.7976931348623157e308
_END = "_end_of_line"
_CORRUPT = "_corrupt"
_STRICT = {"mode": "PERMISSIVE", "allowSingleQuotes": "false"}


def parsed(dataset: Dataset, line: SparkColumn) -> SparkColumn:
    """A line as a struct of texts; null, or with `_corrupt` set, where it is not exactly one JSON object.

    Spark's parser stops where the first value ends and says nothing of what follows it. Where the first closing
    brace ends the line nothing can follow. Any other line is parsed as the first of two elements of an array: where
    the second is not found behind it, something else was.
    """
    names = (*dataset.column_names, _CORRUPT)
    fields = T.StructType([T.StructField(name, T.StringType()) for name in names])
    flat = F.from_json(line, fields, {**_STRICT, "columnNameOfCorruptRecord": _CORRUPT})
    element = T.StructType([*fields, T.StructField(_END, T.StringType())])
    elements = F.from_json(F.concat(F.lit("["), line, F.lit(f',{{"{_END}":""}}]')), T.ArrayType(element), _STRICT)
    is_one = (F.size(elements) == 2) & F.get(elements, F.lit(1))[_END].isNotNull()
    first = F.get(elements, F.lit(0))
    careful = F.when(is_one, F.struct(*(first[name].alias(name) for name in names)))
    return F.when(F.instr(line, "}") == F.length(F.rtrim(line)), flat).otherwise(careful)


def typed(column: Column, text: SparkColumn) -> SparkColumn:
    """The value of a column, null where the text is not of its type."""
    if column.type is ColumnType.STRING:
        return text
    value = text.try_cast(SPARK_TYPES[column.type])
    if column.type is ColumnType.TIMESTAMP:  # a time without a date would be read as one of today
        return F.when(text.rlike(r"^\s*\d{4}-\d{2}-\d{2}"), value)
    return value


def is_broken(dataset: Dataset, line: SparkColumn, fields: SparkColumn, landed: SparkColumn) -> SparkColumn:
    """Whether a line breaks any rule: what every line is asked, so without the names.

    `fields` is the parsed line, `landed` the day that delivers it; the typed values are columns of the same names.
    """
    conditions = [condition for _, condition in _breaches(dataset, line, fields, landed)]
    return ~F.is_valid_utf8(line) | _is_unread(fields) | F.coalesce(reduce(or_, conditions), F.lit(False))


def broken_rules(dataset: Dataset, line: SparkColumn, fields: SparkColumn, landed: SparkColumn) -> SparkColumn:
    """The names of the rules that a line breaks, separated by spaces: what refused lines are asked."""
    breaches = _breaches(dataset, line, fields, landed)
    names = F.concat_ws(" ", *(F.when(condition, F.lit(name)) for name, condition in breaches))
    unread = F.when(~F.is_valid_utf8(line), F.lit(ENCODING_RULE)).when(_is_unread(fields), F.lit(JSON_RULE))
    return unread.otherwise(names)


def _breaches(
    dataset: Dataset, line: SparkColumn, fields: SparkColumn, landed: SparkColumn
) -> list[tuple[str, SparkColumn]]:
    """Each rule's name, and the condition that breaks it: true or, where nothing is there to judge, null."""
    breaches: list[tuple[str, SparkColumn]] = []
    for column in dataset.columns:
        text, value = fields[column.name], F.col(column.name)
        breaches.append((column.type_rule_id, _is_mistyped(column, text, value, line)))
        if not column.nullable:
            breaches.append((column.required_rule_id, text.isNull()))
        breaches += [(column.rule_id(rule), _is_rule_broken(rule, value, landed)) for rule in column.rules]
    return breaches


def _is_unread(fields: SparkColumn) -> SparkColumn:
    return fields.isNull() | fields[_CORRUPT].isNotNull()


def _is_mistyped(column: Column, text: SparkColumn, value: SparkColumn, line: SparkColumn) -> SparkColumn:
    if column.type is not ColumnType.STRING:
        return text.isNotNull() & value.isNull()
    kind = F.schema_of_variant(F.try_variant_get(F.try_parse_json(line), f"$.{column.name}", "variant"))
    looks_nested = text.startswith("[") | text.startswith("{")
    return F.when(looks_nested, F.coalesce(kind != F.lit("STRING"), F.lit(True)))


def _is_rule_broken(rule: Rule, value: SparkColumn, landed: SparkColumn) -> SparkColumn:
    """True where a value is there and breaks the rule."""
    match rule:
        case Between(low, high):
            sides = [F.isnan(value.cast("double"))]
            sides.append(value < (low if low is not None else -LARGEST_FLOAT))
            sides.append(value > (high if high is not None else LARGEST_FLOAT))
            return reduce(or_, sides)
        case OneOf(values):
            return ~value.isin(*values)
        case Matches(pattern):
            return ~value.rlike(rf"(?d)\A(?:{pattern})\z")
        case MaxLength(characters):
            return (F.length(value) > characters) | (F.length(value) == 0)
        case Arrives(late_days):
            day = F.to_date(landed)
            too_new = value >= F.date_add(day, 1).cast("timestamp")
            return too_new if late_days is None else too_new | (value < F.date_sub(day, late_days).cast("timestamp"))
