"""What a dataset promises, declared once.

A `Dataset` names its columns, their types, which may be null, its key, its partition and the rules its values keep.
From this one declaration come the conditions that split a delivery into accepted and rejected rows, the
Great Expectations suite that audits what was accepted, the Arrow and Spark schemas, and the documentation page. So this
module holds no engine: only the words of the contract, and the name under which a broken rule is reported.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum


class ColumnType(StrEnum):
    """The types a column can have. Timestamps are microseconds in UTC; vectors are of single precision."""

    STRING = "string"
    INT32 = "int32"
    INT64 = "int64"
    FLOAT64 = "float64"
    BOOL = "bool"
    DATE = "date"
    TIMESTAMP = "timestamp"
    STRINGS = "strings"
    VECTOR = "vector"


@dataclass(frozen=True)
class Between:
    """A number within bounds, both included. None leaves a side open. NaN and infinities are outside."""

    low: float | None = None
    high: float | None = None
    name = "range"

    def says(self) -> str:
        if self.high is None:
            return f"at least {self.low:g}"
        if self.low is None:
            return f"at most {self.high:g}"
        return f"between {self.low:g} and {self.high:g}"


AT_LEAST_0: tuple[Between, ...] = (Between(0),)
SHARE: tuple[Between, ...] = (Between(0, 1),)


@dataclass(frozen=True)
class OneOf:
    """One of a closed set of strings."""

    values: tuple[str, ...]
    name = "set"

    def says(self) -> str:
        return "one of " + ", ".join(self.values)


@dataclass(frozen=True)
class Matches:
    """A string that a regular expression matches as a whole; `words` tell people what it asks for.

    The expression must mean the same to Python, to Java and to RE2: ASCII classes written out, nothing looked around.
    """

    pattern: str
    words: str = ""
    name = "pattern"

    def __post_init__(self) -> None:
        re.compile(self.pattern)

    def says(self) -> str:
        return self.words or f"of the form {self.pattern}"


@dataclass(frozen=True)
class MaxLength:
    """A string of at most so many characters, and at least one."""

    characters: int
    name = "length"

    def says(self) -> str:
        return f"1 to {self.characters} characters"


@dataclass(frozen=True)
class Arrives:
    """A timestamp that reaches us in time: not after the day that delivers it, and at most `late_days` before it."""

    late_days: int | None = None
    name = "arrival"

    def says(self) -> str:
        if self.late_days is None:
            return "not after the day that delivers it"
        return f"not after the day that delivers it, at most {self.late_days} days before"


Rule = Between | OneOf | Matches | MaxLength | Arrives


@dataclass(frozen=True)
class Column:
    """One column: its type, what it means, whether it may be null, and the rules its values keep. What is `bulky` is
    read only by those who name it."""

    name: str
    type: ColumnType
    doc: str
    nullable: bool = False
    rules: tuple[Rule, ...] = ()
    bulky: bool = False

    def rule_id(self, rule: Rule) -> str:
        """The name under which a row that breaks `rule` is reported, such as `price.range`."""
        return f"{self.name}.{rule.name}"

    @property
    def type_rule_id(self) -> str:
        return f"{self.name}.type"

    @property
    def required_rule_id(self) -> str:
        return f"{self.name}.required"


@dataclass(frozen=True)
class Delivery:
    """How a dataset reaches us as files, `landing/<dataset>/ds=<day>/*.jsonl[.gz]`.

    `required` datasets must be there every day. `time_column` says when a row happened; rows of a dataset with
    `by_event_day` land in the day they happened on, and the others in the day that delivered them.
    """

    required: bool
    time_column: str
    by_event_day: bool = False


DS = "ds"
LANDED_DS = "landed_ds"


@dataclass(frozen=True)
class Dataset:
    """One table of the lake and all that it promises.

    `partition` ends in the column that a run replaces as a whole: `ds` for most tables; for events `landed_ds`, the day
    that delivered them, below `ds`, the day they happened on. A night reads no partition later than itself.

    A column of the `key` is never null, unless its words say what null means: then null is a value like any other.
    """

    name: str
    doc: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    partition: tuple[str, ...] = (DS,)
    delivery: Delivery | None = None
    _by_name: dict[str, Column] = field(init=False, repr=False, compare=False, default_factory=dict)

    def __post_init__(self) -> None:
        self._by_name.update({column.name: column for column in self.columns})
        if len(self._by_name) != len(self.columns):
            raise ValueError(f"dataset {self.name}: two columns have one name")
        for name in self.key:
            if name not in self._by_name and name not in self.partition:
                raise ValueError(f"dataset {self.name}: key column {name} is not declared")
        lists = [c.name for c in self.columns if c.type in (ColumnType.STRINGS, ColumnType.VECTOR)]
        if self.delivery and lists:
            raise ValueError(f"dataset {self.name}: {', '.join(lists)} cannot be delivered, only made by a step")
        if self.delivery and self.delivery.time_column not in self._by_name:
            raise ValueError(f"dataset {self.name}: time column {self.delivery.time_column} is not declared")

    @property
    def replaced_by(self) -> str:
        """The partition column whose value one run replaces as a whole."""
        return self.partition[-1]

    @property
    def identity(self) -> tuple[str, ...]:
        """What makes two delivered rows the same row: the key, and for states that change also when they began."""
        if self.delivery is None or self.delivery.by_event_day:
            return self.key
        return (*self.key, self.delivery.time_column)

    @property
    def lands_once(self) -> tuple[str, ...]:
        """Of which columns' values there may be one row. A state may be told again on another day."""
        if self.delivery is None or self.delivery.by_event_day:
            return self.identity
        return (*self.identity, self.replaced_by)

    @property
    def column_names(self) -> tuple[str, ...]:
        return tuple(self._by_name)

    @property
    def short_name(self) -> str:
        return self.name.rsplit("/", 1)[-1]

    def column(self, name: str) -> Column:
        return self._by_name[name]

    def rules(self) -> Iterator[tuple[str, str]]:
        """Every rule a row can break: its name and what it asks for, in the order they are checked."""
        for column in self.columns:
            yield column.type_rule_id, f"{column.name} must be a {column.type}"
            if not column.nullable:
                yield column.required_rule_id, f"{column.name} must not be null"
            for rule in column.rules:
                yield column.rule_id(rule), f"{column.name} must be {rule.says()}"
