"""A contract as Spark SQL: each declared column read from text, each rule as the condition that breaks it.

Every value arrives as text, so that a value of the wrong type is told from one that is missing. A number or boolean
where a string is declared is taken as its text; a list or an object is not.

The conditions are SQL text and not column objects: a contract makes hundreds of them, and each object costs a call to
the JVM, so that planning took longer than judging a small day.
"""

from __future__ import annotations

from daybreak.contracts import LANDED_DS, Arrives, Between, Column, ColumnType, Dataset, Matches, MaxLength, OneOf, Rule
from daybreak.lake.spark_tables import SPARK_TYPES
from jobs.landing.lines import TEXT

FIELDS = "_fields"
JSON_RULE = "row.json"
ENCODING_RULE = "row.encoding"
LARGEST_FLOAT = 1.7976931348623157e308
_CORRUPT = "_corrupt"
_END = "_end_of_line"
_STRICT = "'mode', 'PERMISSIVE', 'allowSingleQuotes', 'false'"


def parsed(dataset: Dataset) -> str:
    """A line as a struct of texts; null, or with `_corrupt` set, where it is not exactly one JSON object.

    Spark's parser stops where the first value ends and says nothing of what follows it. Where the first closing brace
    ends the line nothing can follow. Any other line is parsed as the first of two elements of an array: where the
    second is not found behind it, something else was.
    """
    fields = ", ".join(f"{name}: STRING" for name in (*dataset.column_names, _CORRUPT, _END))
    flat = f"from_json({TEXT}, 'STRUCT<{fields}>', map({_STRICT}, 'columnNameOfCorruptRecord', '{_CORRUPT}'))"
    array = f"""concat('[', {TEXT}, ',{{"{_END}":""}}]')"""
    elements = f"from_json({array}, 'ARRAY<STRUCT<{fields}>>', map({_STRICT}))"
    is_one = f"size({elements}) = 2 AND get({elements}, 1).{_END} IS NOT NULL"
    return f"IF(instr({TEXT}, '}}') = length(rtrim({TEXT})), {flat}, IF({is_one}, get({elements}, 0), NULL))"


def typed(column: Column) -> str:
    """The value of a column, null where its text is not of its type."""
    text = f"{FIELDS}.{column.name}"
    if column.type is ColumnType.STRING:
        return text
    value = f"try_cast({text} AS {SPARK_TYPES[column.type].simpleString()})"
    if column.type is ColumnType.TIMESTAMP:  # a time without a date would be read as one of today
        pattern = _literal(r"^\s*\d{4}-\d{2}-\d{2}")
        return f"IF({text} RLIKE {pattern}, {value}, NULL)"
    return value


def is_broken(dataset: Dataset) -> str:
    """Whether a line breaks any rule: what every line is asked, so without the names. Null for a blank line."""
    conditions = " OR ".join(f"({condition})" for _, condition in _breaches(dataset))
    broken = f"NOT is_valid_utf8({TEXT}) OR {_unread()} OR coalesce({conditions}, false)"
    pattern = _literal(r"\S")
    return f"IF({TEXT} RLIKE {pattern}, {broken}, NULL)"


def broken_rules(dataset: Dataset) -> str:
    """The names of the rules that a line breaks, separated by spaces: what refused lines are asked."""
    names = ", ".join(f"IF({condition}, '{name}', NULL)" for name, condition in _breaches(dataset))
    return (
        f"CASE WHEN NOT is_valid_utf8({TEXT}) THEN '{ENCODING_RULE}' WHEN {_unread()} THEN '{JSON_RULE}'"
        f" ELSE concat_ws(' ', {names}) END"
    )


def _breaches(dataset: Dataset) -> list[tuple[str, str]]:
    """Each rule's name, and the condition that breaks it: true or, where nothing is there to judge, null."""
    breaches = []
    for column in dataset.columns:
        breaches.append((column.type_rule_id, _is_mistyped(column)))
        if not column.nullable:
            breaches.append((column.required_rule_id, f"{FIELDS}.{column.name} IS NULL"))
        breaches += [(column.rule_id(rule), _is_rule_broken(rule, column.name)) for rule in column.rules]
    return breaches


def _unread() -> str:
    return f"({FIELDS} IS NULL OR {FIELDS}.{_CORRUPT} IS NOT NULL)"


def _is_mistyped(column: Column) -> str:
    text = f"{FIELDS}.{column.name}"
    if column.type is not ColumnType.STRING:
        return f"{text} IS NOT NULL AND {column.name} IS NULL"
    kind = f"schema_of_variant(try_variant_get(try_parse_json({TEXT}), '$.{column.name}', 'variant'))"
    looks_nested = f"startswith({text}, '[') OR startswith({text}, '{{')"
    return f"IF({looks_nested}, coalesce({kind} <> 'STRING', true), NULL)"


def _is_rule_broken(rule: Rule, value: str) -> str:
    """True where a value is there and breaks the rule."""
    match rule:
        case Between(low, high):
            floor, ceiling = -LARGEST_FLOAT if low is None else low, LARGEST_FLOAT if high is None else high
            return f"isnan({value}) OR {value} < {float(floor)!r}D OR {value} > {float(ceiling)!r}D"
        case OneOf(values):
            return f"{value} NOT IN ({', '.join(map(_literal, values))})"
        case Matches(pattern):
            whole = _literal(rf"(?d)\A(?:{pattern})\z")
            return f"NOT {value} RLIKE {whole}"
        case MaxLength(characters):
            return f"length({value}) > {characters} OR length({value}) = 0"
        case Arrives(late_days):
            too_new = f"{value} >= CAST(date_add({LANDED_DS}, 1) AS TIMESTAMP)"
            if late_days is None:
                return too_new
            return f"{too_new} OR {value} < CAST(date_sub({LANDED_DS}, {late_days}) AS TIMESTAMP)"


def _literal(text: str) -> str:
    """A string as SQL text."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
