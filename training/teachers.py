"""The forms that a teacher can have: in closed form, or trained. Which one a version has, its bundle tells."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

import pandas as pd

from daybreak.errors import ModelError
from training.data.histories import Histories
from training.data.ids import IdMap
from training.graph_teacher import FORM as IN_CLOSED_FORM
from training.graph_teacher import FilterModel
from training.registry.bundle import Bundle
from training.retrieval import NightView, Scorer, Scores


class Teacher(Protocol):
    """A teacher of any form."""

    @property
    def items(self) -> IdMap:
        """The items of its rows."""
        ...

    def at(self, view: NightView) -> Scorer:
        """The teacher at the end of a night."""
        ...

    def logits(self, histories: Histories) -> Scores:
        """What it gives users of these histories, whose items are its own rows, on the scale of logarithms."""
        ...

    def factors(self, dimensions: int) -> tuple[Scores, Scores]:
        """Vectors of items that are remembered and of items that are scored, for a student to start from."""
        ...

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """What to list next after each history."""
        ...

    def example(self) -> pd.DataFrame:
        """Some rows as `predict` takes them."""
        ...

    def write(self, folder: Path, facts: Mapping[str, Any], built_from: Mapping[str, Any]) -> Bundle:
        """The teacher as a bundle."""
        ...


def read(bundle: Bundle) -> Teacher:
    """The teacher of a bundle."""
    form = bundle.config.get("form")
    if form == IN_CLOSED_FORM:
        return FilterModel.read(bundle)
    raise ModelError(
        f"the teacher in {bundle.folder} has the form '{form}', which nothing here knows; train it anew, or install the"
        " version of Daybreak that made it"
    )
