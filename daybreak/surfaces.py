"""Surfaces: the shelves of the product, declared in `surfaces.yaml`. A new shelf is a new block there and no new
code."""

from __future__ import annotations

from collections.abc import Hashable
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from daybreak.contracts import Dataset
from daybreak.datasets import COOCCURRENCE, POPULARITY, TRENDING
from daybreak.errors import SettingsError
from daybreak.learning import GNN_CANDIDATES, TOWER_CANDIDATES

Share = Annotated[float, Field(ge=0, le=1)]


class Entity(StrEnum):
    """What a list is for, or made of."""

    USER = "user"
    ITEM = "item"


class SourceName(StrEnum):
    """Where candidates come from."""

    POPULAR = "popular"
    TRENDING = "trending"
    COOCCURRENCE = "cooccurrence"
    GNN = "gnn"
    TWO_TOWER = "two_tower"


SOURCE_TABLES: dict[SourceName, Dataset] = {
    SourceName.POPULAR: POPULARITY,
    SourceName.TRENDING: TRENDING,
    SourceName.COOCCURRENCE: COOCCURRENCE,
    SourceName.GNN: GNN_CANDIDATES,
    SourceName.TWO_TOWER: TOWER_CANDIDATES,
}


BY_MODELS = (SourceName.GNN, SourceName.TWO_TOWER)
"""The sources that a model lists for each query."""
FOR_EVERYONE = (SourceName.POPULAR, SourceName.TRENDING)
"""The sources that know items for a query nobody has seen; the fallback of a surface is made of them."""


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Strict):
    """One source of a surface: at most `quota` candidates a query, and how much its ranking counts."""

    quota: int = Field(100, ge=1, le=10_000)
    weight: float = Field(1.0, gt=0)


class Rules(_Strict):
    """What never appears in a list."""

    own: bool = Field(True, description="the query itself")
    owned: bool = Field(True, description="items that the user bought or rated")
    inactive: bool = Field(True, description="items that are retired or not launched on that day")


class Gates(_Strict):
    """What the lists of a night must keep to go live. Duplicates and broken rules are never allowed."""

    min_coverage: Share = Field(0.95, description="share of queries whose list has at least `min_length` entries")
    max_empty: Share = Field(0.02, description="share of queries whose list has no entry")
    min_length: int = Field(10, ge=1, description="entries that make a list long enough")


class Surface(_Strict):
    """One shelf."""

    query: Entity
    candidate: Literal[Entity.ITEM] = Entity.ITEM
    length: int = Field(50, ge=1, le=1_000, description="entries a list holds at most")
    history_days: int = Field(90, ge=1, description="days of a user's events that say what the user wants")
    sources: dict[SourceName, Source] = Field(min_length=1)
    rules: Rules = Rules()
    gates: Gates = Gates()

    @model_validator(mode="after")
    def _has_a_fallback(self) -> Surface:
        if not any(source in self.sources for source in FOR_EVERYONE):
            raise ValueError(f"sources must hold {' or '.join(FOR_EVERYONE)}: nothing else makes the fallback list")
        return self

    @model_validator(mode="after")
    def _lists_can_be_long_enough(self) -> Surface:
        if self.gates.min_length > self.length:
            raise ValueError(f"gates.min_length {self.gates.min_length} is more than length {self.length}")
        return self


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
