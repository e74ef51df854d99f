"""How one target column comes from a source: the words of a mapping file's `columns`, and their effect on arrays."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, field_validator, model_validator

from daybreak.importing.batches import Batch
from daybreak.importing.texts import as_numbers, as_text
from daybreak.importing.timestamps import ISO, is_timestamp_format


class ColumnRule(BaseModel):
    """A source column or a constant, and what is done to it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    column: str | None = Field(None, description="the source column")
    value: str | None = Field(None, description="a constant, instead of a column")
    timestamp: str = Field(ISO, description="how a timestamp is written: iso, epoch_s, epoch_ms, epoch_us or strptime")
    prefix: str = Field("", description="put before every value, such as u before user ids")
    scale: float | None = Field(None, description="multiplies every number")
    values: dict[str, str] = Field({}, description="replaces values: source value -> target value; others stay")

    @field_validator("timestamp")
    @classmethod
    def _readable(cls, how: str) -> str:
        if not is_timestamp_format(how):
            raise ValueError(
                f"must be iso, epoch_s, epoch_ms, epoch_us or a strptime format such as %d/%m/%Y, not '{how}'"
            )
        return how

    @model_validator(mode="after")
    def _one_origin(self) -> ColumnRule:
        if (self.column is None) == (self.value is None):
            raise ValueError("needs either 'column' or 'value'")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        return () if self.column is None else (self.column,)

    def raw(self, batch: Batch) -> pa.Array:
        """The source's values as they came, for a timestamp to be read from."""
        if self.column is not None:
            return batch.columns[self.column]
        return pa.repeat(pa.scalar(self.value, pa.string()), len(batch.rows))

    def text(self, batch: Batch, nulls: Sequence[str]) -> pa.Array:
        """The values as text, null where the source says so."""
        text = as_text(self.raw(batch))
        if nulls and self.column is not None:
            text = pc.if_else(pc.is_in(text, pa.array(nulls, pa.string())), pa.scalar(None, pa.string()), text)
        if self.values:
            known = pc.index_in(text, pa.array(list(self.values), pa.string()))
            text = pc.coalesce(pa.array(list(self.values.values()), pa.string()).take(known), text)
        if self.scale is not None:
            text = _scaled(text, self.scale)
        return pc.binary_join_element_wise(self.prefix, text, "") if self.prefix else text


@dataclass(frozen=True)
class ComputedColumn:
    """A target column made of several source columns by a function of their texts; for known formats only."""

    columns: tuple[str, ...]
    compute: Callable[..., list[str | None]]

    def raw(self, batch: Batch) -> pa.Array:
        return pa.array(self.compute(*(batch.columns[name].to_pylist() for name in self.columns)), pa.string())

    def text(self, batch: Batch, nulls: Sequence[str]) -> pa.Array:
        """The values as text; the function decides what is null."""
        return self.raw(batch)


Rule = ColumnRule | ComputedColumn


def _scaled(text: pa.Array, scale: float) -> pa.Array:
    """Numbers multiplied; what is no number stays, for landing to refuse."""
    return pc.coalesce(pc.multiply(as_numbers(text), scale).cast(pa.string()), text)


def _named_alone(given: Any) -> Any:
    return {"column": given} if isinstance(given, str) else given


GivenColumn = Annotated[ColumnRule, BeforeValidator(_named_alone)]
"""A column rule as a mapping may write it: a name alone is the source column."""
