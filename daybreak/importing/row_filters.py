"""The simple filter of a mapping: a row stays when every named column holds a wanted value, or lies within bounds."""

from __future__ import annotations

from typing import Annotated, Any

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, BeforeValidator, ConfigDict, model_validator

from daybreak.importing.batches import Batch
from daybreak.importing.texts import as_numbers, as_text


class Wanted(BaseModel):
    """What a column must hold for its row to stay. Null never does."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    any_of: tuple[str, ...] | None = None
    at_least: float | None = None
    at_most: float | None = None

    @model_validator(mode="after")
    def _says_something(self) -> Wanted:
        if self.any_of is None and self.at_least is None and self.at_most is None:
            raise ValueError("needs a value, a list of values, 'at_least' or 'at_most'")
        return self

    def holds(self, values: pa.Array) -> pa.Array:
        """True for the values that are wanted; never null."""
        text = as_text(values)
        keep = pc.is_valid(text)
        if self.any_of is not None:
            keep = pc.and_(keep, pc.is_in(text, pa.array(self.any_of, pa.string())))
        if self.at_least is not None or self.at_most is not None:
            number = as_numbers(text)
            if self.at_least is not None:
                keep = pc.and_(keep, pc.fill_null(pc.greater_equal(number, self.at_least), False))
            if self.at_most is not None:
                keep = pc.and_(keep, pc.fill_null(pc.less_equal(number, self.at_most), False))
        return keep


def _values_alone(given: Any) -> Any:
    if isinstance(given, str):
        return {"any_of": [given]}
    return {"any_of": given} if isinstance(given, list) else given


GivenWanted = Annotated[Wanted, BeforeValidator(_values_alone)]
"""A filter as a mapping may write it: a value or a list of values alone are those wanted."""


def rows_wanted(batch: Batch, where: dict[str, Wanted]) -> Batch:
    """The rows that every filter keeps."""
    for column, wanted in where.items():
        batch = batch.keep(wanted.holds(batch.columns[column]))
    return batch
