"""The mapping file: how any CSV, JSON lines or Parquet becomes the datasets of the landing.

The sections and their target columns come from the declared datasets, so a new column there is a new word here.
Every scalar of the file is taken as the text that was typed: `country: {value: NO}` means Norway.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, create_model, field_validator

from daybreak.contracts import Column, ColumnType, Dataset
from daybreak.datasets import DELIVERED
from daybreak.errors import InputError
from daybreak.importing.column_rules import ColumnRule, GivenColumn
from daybreak.importing.row_filters import GivenWanted
from daybreak.importing.sources import FileForm, ImportPlan, Source, SourceFile, files_matching, look_into

DERIVED = {"event_id": None, "updated_ts": None, "status": ColumnRule(value="active")}
"""Required columns that a mapping may leave out: the row's hash, the first event day, and everyone being active."""

STRICT = ConfigDict(extra="forbid", frozen=True)


class Section(BaseModel):
    """What a mapping says of one dataset, besides its columns."""

    model_config = STRICT

    path: str | None = Field(None, description="glob of the files, from the folder that is imported")
    format: Literal["auto", "csv", "jsonl", "parquet"] = "auto"
    separator: str | None = Field(None, min_length=1, max_length=3)
    header: tuple[str, ...] | None = Field(None, min_length=1, description="column names of files that have none")
    encoding: str | None = None
    nulls: tuple[str, ...] | None = Field(None, description="texts that mean null")
    where: dict[str, GivenWanted] = Field({})
    columns: BaseModel

    @field_validator("encoding")
    @classmethod
    def _known(cls, name: str | None) -> str | None:
        try:
            return name and "a".encode(name).decode(name, "ignore") and codecs.lookup(name).name
        except (LookupError, UnicodeError):
            raise ValueError(f"there is no encoding '{name}' of texts") from None

    @field_validator("separator")
    @classmethod
    def _separates(cls, separator: str | None) -> str | None:
        if separator and not set(separator).isdisjoint('"\r\n'):
            raise ValueError("must not hold quotes or line ends")
        return "\t" if separator == "\\t" else separator

    def rules(self) -> dict[str, ColumnRule]:
        """The rules of the columns that are mapped, and of those that go without saying."""
        targets = type(self.columns).model_fields
        return {name: rule for name in targets if (rule := getattr(self.columns, name) or DERIVED.get(name))}


class _Texts(yaml.BaseLoader):
    """YAML whose scalars are texts, and whose keys are there once."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [key.value for key, _ in node.value]
        if twice := [key for key in keys if keys.count(key) > 1]:
            raise yaml.constructor.ConstructorError(
                problem=f"'{twice[0]}' stands there twice", problem_mark=node.start_mark
            )
        return super().construct_mapping(node, deep)


def load_mapping(mapping: Path, data: Path) -> ImportPlan:
    """The plan that a mapping makes of a folder or file. All that is wrong with the mapping is told at once."""
    given = _read_yaml(mapping)
    try:
        parsed = MAPPING.model_validate(given)
    except ValidationError as error:
        problems = "; ".join(_problem(line) for line in error.errors())
        raise InputError(f"the mapping {mapping} is wrong: {problems}") from None
    sections = {dataset: getattr(parsed, dataset.short_name) for dataset in DELIVERED}
    sources = tuple(_source(dataset, section, mapping, data) for dataset, section in sections.items() if section)
    if not sources:
        names = ", ".join(dataset.short_name for dataset in DELIVERED)
        raise InputError(f"the mapping {mapping} names no dataset; write a section for at least one of {names}")
    return ImportPlan("mapping", sources)


def _source(dataset: Dataset, section: Section, mapping: Path, data: Path) -> Source:
    kind = None if section.format == "auto" else section.format
    form = FileForm(kind, section.encoding, section.separator, section.header)
    files = tuple(look_into(path, form) for path in _files(dataset, section, mapping, data))
    return Source(dataset, files, dict(section.rules()), _nulls(section, files), section.where)


def _nulls(section: Section, files: tuple[SourceFile, ...]) -> tuple[str, ...]:
    """Separated text cannot say null otherwise, so nothing between two separators means it unless the mapping does."""
    if section.nulls is not None:
        return section.nulls
    return ("",) if any(file.kind == "csv" for file in files) else ()


def _files(dataset: Dataset, section: Section, mapping: Path, data: Path) -> list[Path]:
    if section.path is None:
        if data.is_file():
            return [data]
        raise InputError(
            f"the mapping {mapping} does not say which files of {data} are {dataset.short_name}: add 'path'"
        )
    folder = data.parent if data.is_file() else data
    try:
        files = files_matching(folder, section.path)
    except ValueError as error:
        raise InputError(
            f"{dataset.short_name}.path '{section.path}' of the mapping {mapping} is no glob of files ({error}): "
            "write it as in 'clicks/*.csv'"
        ) from None
    if not files:
        raise InputError(
            f"{dataset.short_name}.path '{section.path}' of the mapping {mapping} matches no file in {folder}"
        )
    return files


def _read_yaml(mapping: Path) -> Any:
    try:
        given = yaml.load(mapping.read_text(encoding="utf-8"), Loader=_Texts)
    except OSError as error:
        raise InputError(f"the mapping {mapping} cannot be read: {error.strerror}") from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"the mapping {mapping} cannot be read as YAML: {' '.join(str(error).split())}") from None
    if not isinstance(given, dict):
        raise InputError(f"the mapping {mapping} must hold sections such as 'events:', found {type(given).__name__}")
    return given


def _problem(line: Any) -> str:
    """One pydantic error in our words, with the place in the file."""
    place, name = ".".join(map(str, line["loc"][:-1])), line["loc"][-1] if line["loc"] else ""
    if line["type"] == "extra_forbidden" and place.endswith("columns"):
        targets = ", ".join(_target_names(place.split(".")[0]))
        return f"{place}: there is no target column '{name}', there are {targets}"
    if line["type"] == "extra_forbidden":
        return f"{place or 'top level'}: there is no key '{name}'"
    if line["type"] == "missing":
        return f"{place}: '{name}' is missing"
    return f"{'.'.join(map(str, line['loc']))}: {line['msg'].removeprefix('Value error, ')}"


def _target_names(section: str) -> tuple[str, ...]:
    return next(dataset.column_names for dataset in DELIVERED if dataset.short_name == section)


def _section_model(dataset: Dataset) -> type[Section]:
    fields: dict[str, Any] = {}
    for column in dataset.columns:
        given: Any = Annotated[GivenColumn, AfterValidator(_with_effect(column))]
        optional = column.nullable or column.name in DERIVED
        fields[column.name] = (given | None, None) if optional else (given, ...)
    columns = create_model(f"{dataset.short_name}_columns", __config__=STRICT, **fields)
    return create_model(f"{dataset.short_name}_section", __base__=Section, columns=(columns, ...))


def _with_effect(column: Column) -> Callable[[ColumnRule], ColumnRule]:
    """Refuses what a rule says in vain: timestamps are read and nothing else, other columns are not read as such."""
    is_timestamp = column.type is ColumnType.TIMESTAMP
    in_vain = {"prefix", "scale", "values"} if is_timestamp else {"timestamp"}

    def check(rule: ColumnRule) -> ColumnRule:
        if said := sorted(in_vain & rule.model_fields_set):
            raise ValueError(f"'{said[0]}' does nothing to a {column.type}: leave it out")
        return rule

    return check


def _mapping_model() -> type[BaseModel]:
    fields: dict[str, Any] = {dataset.short_name: (_section_model(dataset) | None, None) for dataset in DELIVERED}
    return create_model("Mapping", __config__=STRICT, **fields)


MAPPING = _mapping_model()
