"""Surfaces: the shelves of the product, declared in `surfaces.yaml`. A new shelf is a new block there and no new
code."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from daybreak.contracts import Column, ColumnType
from daybreak.datasets import ITEMS, USERS
from daybreak.errors import SettingsError
from daybreak.features.training import CARTED, CLICKED, LABELS, PURCHASED
from daybreak.learning import Model
from daybreak.sources import BY_MODELS, FOR_EVERYONE, KINDS, Entity, SourceName

Share = Annotated[float, Field(ge=0, le=1)]
VARIANTS = "variants"
"""What caps call the forms of one product and items that are as good as the same."""
_STATES = {Entity.USER: USERS, Entity.ITEM: ITEMS}


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Strict):
    """One source of a surface: at most `quota` candidates a query, and how much its ranking counts."""

    quota: int = Field(100, ge=1, le=10_000, description="candidates it may propose for a query")
    weight: float = Field(1.0, gt=0, description="how much its ranking counts")
    evidence: Literal["any", "much", "little"] = Field(
        "any", description="whether it counts the more, the more (or the less) is known of what the query wanted"
    )
    fallback: SourceName | None = Field(
        None, description="the source asked instead, where it knows nothing for a query"
    )


class Condition(_Strict):
    """What a column of the candidate must keep; exactly one of the four. What is not told breaks none of them."""

    column: str
    at_least: float | None = None
    at_most: float | None = None
    one_of: tuple[str, ...] | None = None
    none_of: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _says_one_thing(self) -> Condition:
        said = [name for name in ("at_least", "at_most", "one_of", "none_of") if getattr(self, name) is not None]
        if len(said) != 1:
            raise ValueError(f"a condition says one of at_least, at_most, one_of, none_of; found {len(said)}")
        return self

    @property
    def is_about_numbers(self) -> bool:
        return self.at_least is not None or self.at_most is not None


class Rules(_Strict):
    """What never appears in a list."""

    own: bool = Field(True, description="the query itself")
    owned: bool = Field(True, description="items that the user bought or rated")
    seen_days: int = Field(0, ge=0, description="items shown to the user in so many last days; 0 for none")
    dismissed: bool = Field(True, description="what the user dismissed")
    tied: bool = Field(True, description="people whom the user is tied to already")
    blocked: bool = Field(True, description="people of whom either has blocked the other")
    inactive: bool = Field(True, description="items retired or not launched on that day, people who left")
    out_of_stock: bool = Field(True, description="items that cannot be had")
    regions: bool = Field(True, description="items that may not be shown in the user's country")
    conditions: tuple[Condition, ...] = Field((), description="what columns of the candidate must keep")


class Rank(_Strict):
    """In which order candidates stand before diversity and rules of the shelf."""

    by: Literal["ranker", "ties", "fusion"] = Field(
        "fusion", description="the champion ranker, whom people were tied to lately, or the merged ranks of sources"
    )
    candidates: int = Field(200, ge=1, description="merged candidates of a query that are ranked")
    utility: dict[str, Annotated[float, Field(ge=0)]] = Field(
        {CLICKED: 0.02, CARTED: 0.1, PURCHASED: 1.0}, description="what each outcome that the ranker foresees is worth"
    )
    fusion: Annotated[float, Field(ge=0)] = Field(
        0.5, description="exponent by which the merged ranks count beside who ranks"
    )
    reciprocity: Share = Field(0.0, description="how much more people count who tie themselves back")

    @model_validator(mode="after")
    def _outcomes_are_known(self) -> Rank:
        if unknown := sorted(set(self.utility) - set(LABELS)):
            raise ValueError(f"utility names {', '.join(unknown)}; the ranker foresees {', '.join(LABELS)}")
        if not any(self.utility.values()):
            raise ValueError("utility must give some outcome a worth above 0")
        return self


class Diversity(_Strict):
    """How much entries of a list are kept from being alike."""

    method: Literal["none", "mmr", "dpp"] = Field("none", description="how: not, by the nearest entry, or by volume")
    strength: Share = Field(0.2, description="how much it counts beside the score")


class Freshness(_Strict):
    """What is new counts more."""

    boost: float = Field(0.0, ge=0, description="how much more an item counts that has just been launched")
    half_life_days: float = Field(7.0, gt=0, description="days after which the boost is a half")


class Exploration(_Strict):
    """Places that are given to candidates of which little is known, by drawing from what they may be worth."""

    slots: tuple[Annotated[int, Field(ge=0)], ...] = Field((), description="the places, from 0")
    pool: int = Field(20, ge=1, le=200, description="candidates that are drawn from, the best of those not yet listed")
    shown_below: int = Field(1_000, ge=1, description="showings in 28 days, all users together, that are little")

    @model_validator(mode="after")
    def _slots_rise(self) -> Exploration:
        if list(self.slots) != sorted(set(self.slots)):
            raise ValueError("slots must rise")
        return self


class Gates(_Strict):
    """What the lists of a night must keep to go live, all queries together and each segment of them. Duplicates and
    broken rules are never allowed. What compares with the night before is left out where there is none."""

    min_coverage: Share = Field(0.95, description="share of queries whose list has at least `min_length` entries")
    max_empty: Share = Field(0.02, description="share of queries whose list has no entry")
    min_length: int = Field(10, ge=1, description="entries that make a list long enough")
    max_churn: Share = Field(0.7, description="share of shown entries that the night before did not show")
    max_churn_new_model: Share = Field(0.95, description="the same, where another version of a model lists or ranks")
    max_popular: Share = Field(0.5, description="share of shown entries among the most popular hundredth of candidates")
    min_catalogue: Share = Field(0.05, description="share of all candidates that some list shows")
    max_mix_shift: Share = Field(0.2, description="how far the mix of categories moved: half the sum of all changes")
    max_score_shift: Share = Field(0.5, description="how far the distribution of scores moved, by the same models")
    min_exact: Share = Field(0.9, description="share of the towers' entries that an exact search of vectors finds too")
    min_hits_kept: Share = Field(0.6, description="hits on the newest day's wants, of those of the night before")
    segment_size: int = Field(100, ge=1, description="queries that a segment has at least to be judged by itself")


class Surface(_Strict):
    """One shelf."""

    query: Entity
    candidate: Entity = Entity.ITEM
    length: int = Field(50, ge=1, le=1_000, description="entries a list shows at most")
    reserve: int = Field(0, ge=0, le=1_000, description="entries behind them, for what is removed by day")
    history_days: int = Field(90, ge=1, description="days of a user's events that say what the user wants")
    history_items: int = Field(50, ge=1, description="of these, the items wanted most, whose neighbours are proposed")
    half_evidence: float = Field(10.0, gt=0, description="wants of a query that make half of much evidence")
    sources: dict[SourceName, Source] = Field(min_length=1)
    rank: Rank = Rank()
    rules: Rules = Rules()
    caps: dict[str, Annotated[int, Field(ge=1)]] = Field(
        {}, description="most entries of a list that share a column's value; `variants` for forms of one product"
    )
    diversity: Diversity = Diversity()
    freshness: Freshness = Freshness()
    exploration: Exploration = Exploration()
    gates: Gates = Gates()

    @property
    def stored(self) -> int:
        """Entries of a list, with those behind what is shown."""
        return self.length + self.reserve

    @property
    def asked(self) -> dict[SourceName, Source]:
        """All sources that may be asked, also those asked in place of others."""
        instead = {source.fallback: source for source in self.sources.values() if source.fallback}
        return {**instead, **self.sources}

    @property
    def models(self) -> frozenset[str]:
        """The models of the registry that list or rank for it."""
        listing = {Model(name.value) for name in self.asked if name in BY_MODELS}
        return frozenset(listing | ({Model.RANKER} if self.rank.by == "ranker" else set()))

    @model_validator(mode="after")
    def _sources_serve_it(self) -> Surface:
        shape = (self.query, self.candidate)
        for name in self.asked:
            if shape not in KINDS[name].serves:
                found = ", ".join(f"{query} → {candidate}" for query, candidate in KINDS[name].serves)
                raise ValueError(f"source {name} proposes {found}, and this surface is {shape[0]} → {shape[1]}")
        return self

    @model_validator(mode="after")
    def _has_a_fallback(self) -> Surface:
        fitting = [name for name in FOR_EVERYONE if (self.query, self.candidate) in KINDS[name].serves]
        if not any(name in self.sources for name in fitting):
            raise ValueError(f"sources must hold {' or '.join(fitting)}: nothing else makes the fallback list")
        return self

    @model_validator(mode="after")
    def _lists_can_be_long_enough(self) -> Surface:
        if self.gates.min_length > self.length:
            raise ValueError(f"gates.min_length {self.gates.min_length} is more than length {self.length}")
        if self.exploration.slots and self.exploration.slots[-1] >= self.length:
            raise ValueError(f"exploration.slots has {self.exploration.slots[-1]}, past the length {self.length}")
        return self

    @model_validator(mode="after")
    def _is_ranked_by_what_there_is(self) -> Surface:
        if self.rank.by == "ranker" and (self.query, self.candidate) != (Entity.USER, Entity.ITEM):
            raise ValueError("rank.by ranker orders items for users; use fusion for any other surface")
        if self.rank.by == "ties" and (self.query, self.candidate) != (Entity.USER, Entity.USER):
            raise ValueError("rank.by ties orders people for users; use fusion for any other surface")
        return self

    @model_validator(mode="after")
    def _asks_of_candidates_what_they_have(self) -> Surface:
        of_people = self.candidate is Entity.USER
        asked = {
            "exploration.slots": of_people and bool(self.exploration.slots),
            "diversity.method": of_people and self.diversity.method != "none",
            "freshness.boost": of_people and self.freshness.boost > 0,
            "rank.reciprocity": not of_people and self.rank.reciprocity > 0,
        }
        if wrong := [name for name, is_asked in asked.items() if is_asked]:
            raise ValueError(f"{', '.join(wrong)} has no meaning where {self.candidate}s are recommended")
        return self

    @model_validator(mode="after")
    def _columns_exist(self) -> Surface:
        known = {column.name: column for column in _STATES[self.candidate].columns if not column.bulky}
        for condition in self.rules.conditions:
            _check_condition(condition, known)
        texts = [name for name, column in known.items() if column.type is ColumnType.STRING]
        for name in self.caps:
            if name not in texts and not (name == VARIANTS and self.candidate is Entity.ITEM):
                raise ValueError(f"caps names '{name}', no column of text of {self.candidate}s; there are: {texts}")
        return self


def _check_condition(condition: Condition, known: dict[str, Column]) -> None:
    column = known.get(condition.column)
    if column is None:
        raise ValueError(f"conditions names '{condition.column}', no such column; there are: {', '.join(known)}")
    numbers = (ColumnType.INT32, ColumnType.INT64, ColumnType.FLOAT64)
    fits = column.type in numbers if condition.is_about_numbers else column.type is ColumnType.STRING
    if not fits:
        raise ValueError(f"conditions compares '{condition.column}', which is {column.type}, with what it cannot be")


class _EachNameOnce(yaml.SafeLoader):
    """Plain YAML would let the second of two shelves of one name replace the first without a word."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        names = [self.construct_object(key, deep=True) for key, _ in node.value]
        for name in names:
            if names.count(name) > 1:
                raise yaml.constructor.ConstructorError(None, None, f"'{name}' stands there twice", node.start_mark)
        return super().construct_mapping(node, deep)


_ADAPTER = TypeAdapter(dict[Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")], Surface])


def load_surfaces(path: Path) -> dict[str, Surface]:
    """The surfaces of a file, every error at once."""
    try:
        document = yaml.load(path.read_text(encoding="utf-8"), _EachNameOnce)
    except FileNotFoundError:
        raise SettingsError(f"there is no surfaces file {path}; set DAYBREAK_SURFACES_FILE or write one") from None
    except (yaml.YAMLError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(f"{path} is not YAML: {' '.join(str(error).split())}") from None
    try:
        surfaces = _ADAPTER.validate_python(document)
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, line['loc'])) or 'file'}: {line['msg']}" for line in error.errors())
        raise SettingsError(f"{path} is wrong: {problems}") from None
    if not surfaces:
        raise SettingsError(f"{path} declares no surface")
    return surfaces
