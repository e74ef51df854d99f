"""A contract as SQL for DuckDB: each declared column read from text, each rule as the condition that breaks it.

Every value is first taken as text, so that one of the wrong type is told from one that is missing. A number or boolean
where a string is declared is taken as its text; a list or an object is not. Text is a number, a date or a time only
where it is written as one: what DuckDB would read besides (`1_000`, `0x10`, `epoch`, a time at 24:00) is not.
"""

from __future__ import annotations

from daybreak.contracts import (
    DS,
    LANDED_DS,
    Arrives,
    Between,
    Column,
    ColumnType,
    Dataset,
    Matches,
    MaxLength,
    OneOf,
    Rule,
)
from daybreak.duckdb_files import DUCKDB_TYPES, literal, quoted
from jobs.landing.lines import LEGIBLE, LINE

PLACE, PATH, RULES, ROW = "_place", "_path", "_rules", "_row"
JSON_RULE = "row.json"
ENCODING_RULE = "row.encoding"

_FIELDS, _BROKEN, _LANDED = "_fields", "_broken", "_landed"
_WHOLE = r"\s*[+-]?\d+\s*"
_DAY = r"\d{4}-\d{2}-\d{2}"
_TIME = r"([01]\d|2[0-3]):[0-5]\d(:[0-5]\d(\.\d{1,9})?)?(Z|[+-]\d{2}(:?\d{2})?)?"
_WRITTEN_AS = {
    ColumnType.INT32: _WHOLE,
    ColumnType.INT64: _WHOLE,
    ColumnType.FLOAT64: r"\s*[+-]?((\d+\.?\d*|\.\d+)([eE][+-]?\d+)?|NaN|Infinity)\s*",
    ColumnType.BOOL: r"true|false",
    ColumnType.DATE: _DAY,
    ColumnType.TIMESTAMP: rf"{_DAY}([T ]{_TIME})?",
}


def judging(dataset: Dataset, lines: str) -> str:
    """The query that judges a table of lines: each one's typed values and day, and, where it breaks the contract, the
    names of the rules it breaks and the row as it came, beside its place. Blank lines are no rows.

    The table holds a line's text, whether it is legible, its place and path, and the day that delivers it.
    """
    assert dataset.delivery is not None
    names = [quoted(column.name) for column in dataset.columns]
    struct = ", ".join(f'"{column.name}": "VARCHAR"' for column in dataset.columns)
    typed = ", ".join(f"{_typed(column)} AS {name}" for column, name in zip(dataset.columns, names, strict=True))
    breaches = [(rule, f"({condition})") for rule, condition in _breaches(dataset)]
    any_breach = " OR ".join(condition for _, condition in breaches)
    broken_rules = ", ".join(f"CASE WHEN {condition} THEN '{rule}' END" for rule, condition in breaches)
    happened = f"strftime(CAST({quoted(dataset.delivery.time_column)} AS DATE), '%Y-%m-%d')"
    day = happened if dataset.delivery.by_event_day else LANDED_DS
    return f"""
        WITH read AS (
            SELECT *, CAST({LANDED_DS} AS DATE) AS {_LANDED}, CASE
                WHEN {LEGIBLE} AND regexp_matches({LINE}, '^\\s*\\{{') AND json_valid({LINE})
                THEN json_transform({LINE}, '{{{struct}}}') END AS {_FIELDS}
            FROM {lines} WHERE regexp_matches({LINE}, '\\S')
        ), typed AS (
            SELECT *, {typed} FROM read
        ), judged AS (
            SELECT *, {_FIELDS} IS NULL OR coalesce({any_breach}, false) AS {_BROKEN} FROM typed
        )
        SELECT {", ".join(names)}, {day} AS {DS}, {LANDED_DS}, {PLACE},
            CASE WHEN {_BROKEN} THEN {PATH} END AS {PATH},
            CASE WHEN NOT {_BROKEN} THEN NULL WHEN NOT {LEGIBLE} THEN '{ENCODING_RULE}'
                WHEN {_FIELDS} IS NULL THEN '{JSON_RULE}' ELSE concat_ws(' ', {broken_rules}) END AS {RULES},
            CASE WHEN {_BROKEN} THEN rtrim({LINE}, chr(13) || chr(10)) END AS {ROW}
        FROM judged"""


def _text(column: Column) -> str:
    return f"{_FIELDS}.{quoted(column.name)}"


def _typed(column: Column) -> str:
    """The value of a column, null where its text is not of its type."""
    text = _text(column)
    if column.type is ColumnType.STRING:
        return text
    value = f"TRY_CAST({text} AS {DUCKDB_TYPES[column.type]})"
    return f"CASE WHEN regexp_full_match({text}, {literal(_WRITTEN_AS[column.type])}) THEN {value} END"


def _breaches(dataset: Dataset) -> list[tuple[str, str]]:
    """Each rule's name, and the condition that breaks it: true or, where nothing is there to judge, null."""
    breaches = []
    for column in dataset.columns:
        breaches.append((column.type_rule_id, _is_mistyped(column)))
        if not column.nullable:
            breaches.append((column.required_rule_id, f"{_text(column)} IS NULL"))
        breaches += [(column.rule_id(rule), _is_rule_broken(rule, column)) for rule in column.rules]
    return breaches


def _is_mistyped(column: Column) -> str:
    text = _text(column)
    if column.type is not ColumnType.STRING:
        return f"{text} IS NOT NULL AND {quoted(column.name)} IS NULL"
    path = literal(f'$."{column.name}"')
    kind = f"json_type({LINE}, {path}) IN ('ARRAY', 'OBJECT')"
    return f"CASE WHEN starts_with({text}, '[') OR starts_with({text}, '{{') THEN {kind} END"


def _is_rule_broken(rule: Rule, column: Column) -> str:
    """True where a value is there and breaks the rule."""
    value = quoted(column.name)
    match rule:
        case Between(low, high):
            outside = [f"isnan({value}) OR isinf({value})"] if column.type is ColumnType.FLOAT64 else []
            outside += [f"{value} < {low!r}"] if low is not None else []
            outside += [f"{value} > {high!r}"] if high is not None else []
            return " OR ".join(outside) or "false"
        case OneOf(values):
            return f"{value} NOT IN ({', '.join(map(literal, values))})"
        case Matches(pattern):
            return f"NOT regexp_full_match({value}, {literal(pattern)})"
        case MaxLength(characters):
            return f"length({value}) NOT BETWEEN 1 AND {characters}"
        case Arrives(late_days):
            too_new = f"CAST({value} AS DATE) > {_LANDED}"
            return too_new if late_days is None else f"{too_new} OR CAST({value} AS DATE) < {_LANDED} - {late_days}"
