"""The words in which features are declared: entities, features, views, what is computed on request, services.

A feature view is a table of the lake, one row per entity and night, that one job makes. From this one declaration come
the table's contract, the sides of point-in-time joins, Feast's feature views and the catalogue of features.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from daybreak.contracts import Column, ColumnType, Dataset, Rule
from daybreak.features.as_of import AVAILABLE_TS, EVENT_TS, AsOf, output_name

if TYPE_CHECKING:
    import pyarrow as pa

STAMPS = (
    Column(EVENT_TS, ColumnType.TIMESTAMP, "the moment up to which the row describes its entity, UTC"),
    Column(AVAILABLE_TS, ColumnType.TIMESTAMP, "from when on the row could be known: when its night was due, UTC"),
)


NIGHTLY = timedelta(days=1)
"""How old what a nightly view tells may be when the day of a night ends: it may miss one night."""


@dataclass(frozen=True)
class Entity:
    """What features are about, and the column that names it."""

    name: str
    key: str
    doc: str


@dataclass(frozen=True)
class Feature:
    """One feature: its type, its meaning, and over how many days it looks back, where it does."""

    name: str
    type: ColumnType
    doc: str
    window_days: int | None = None
    rules: tuple[Rule, ...] = ()

    def column(self) -> Column:
        """Features may be null: where nothing is known, nothing is said."""
        return Column(self.name, self.type, self.doc, nullable=True, rules=self.rules)


@dataclass(frozen=True)
class FeatureView:
    """Features of the same entities that one job makes, one row per entity and night.

    `ttl` is how old a row may be and still count; None where a row holds until the next one. `fresh_within` is how old
    what it tells may be when the day of a night ends, before the view counts as stale; None where no age tells that, as
    states may last. `nightly` views have at most one row per entity and night, which describes the end of that night's
    day; the rows of others describe the moment when a state began.
    """

    name: str
    doc: str
    entities: tuple[Entity, ...]
    features: tuple[Feature, ...]
    made_by: str
    owner: str
    fresh_within: timedelta | None = None
    ttl: timedelta | None = None
    nightly: bool = True

    def __post_init__(self) -> None:
        self.as_of()  # says what is wrong with the view as a side of a join
        names = [*self.keys, EVENT_TS, AVAILABLE_TS, *self.feature_names]
        if len(set(names)) != len(names):
            raise ValueError(f"feature view {self.name}: two columns have one name")

    @property
    def keys(self) -> tuple[str, ...]:
        return tuple(entity.key for entity in self.entities)

    @property
    def feature_names(self) -> tuple[str, ...]:
        return tuple(feature.name for feature in self.features)

    @cached_property
    def dataset(self) -> Dataset:
        """The view's table."""
        keys = tuple(Column(entity.key, ColumnType.STRING, entity.doc) for entity in self.entities)
        features = tuple(feature.column() for feature in self.features)
        return Dataset(f"features/{self.name}", self.doc, (*keys, *STAMPS, *features), self.keys)

    def given(self, feature: str) -> Input:
        """One of its features, for another one to be computed from."""
        return Input(self.name, feature, self.dataset.column(feature).type)

    def as_of(self, features: Sequence[str] = (), found_by: tuple[str, ...] = ()) -> AsOf:
        """The view as a side of a point-in-time join: all its features, or some."""
        columns = tuple(features) or self.feature_names
        return AsOf(self.name, self.keys, columns, self.ttl, found_by, in_order=self.nightly)


@dataclass(frozen=True)
class Input:
    """A stored feature that others are computed from."""

    view: str
    feature: str
    type: ColumnType

    @property
    def name(self) -> str:
        """The name it comes out by."""
        return output_name(self.view, self.feature)


@dataclass(frozen=True)
class RequestFeature:
    """A feature that depends on the moment of the request, computed from others by one function, offline and online.

    `compute` takes the moments and the inputs as arrays of one length and gives an array of that length.
    """

    name: str
    type: ColumnType
    doc: str
    inputs: tuple[Input, ...]
    compute: Callable[..., pa.Array]


@dataclass(frozen=True)
class Chosen:
    """What a model takes from a view; `found_by` names the columns that hold the view's keys where those come out of
    another view."""

    view: FeatureView
    features: tuple[str, ...] = ()
    found_by: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        unknown = set(self.features) - set(self.view.feature_names)
        if unknown:
            raise ValueError(f"feature view {self.view.name} has no feature {', '.join(sorted(unknown))}")

    @property
    def names(self) -> tuple[str, ...]:
        return self.features or self.view.feature_names

    @property
    def as_of(self) -> AsOf:
        return self.view.as_of(self.features, self.found_by)


@dataclass(frozen=True)
class FeatureService:
    """All that one model is given, in training and when it serves."""

    name: str
    doc: str
    chosen: tuple[Chosen, ...]
    on_request: tuple[RequestFeature, ...] = field(default=())

    def __post_init__(self) -> None:
        given = set(self.outputs)
        for feature in self.on_request:
            if missing := {each.name for each in feature.inputs} - given:
                raise ValueError(f"service {self.name}: {feature.name} needs {', '.join(sorted(missing))}")

    @property
    def outputs(self) -> tuple[str, ...]:
        """The stored features, under the names they come out by."""
        return tuple(output for chosen in self.chosen for output in chosen.as_of.outputs)
