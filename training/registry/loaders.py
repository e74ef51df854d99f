"""How a kind of model is brought to life: by the name of its loader, so that a bundle needs no pickles.

A loader takes the opened bundle and returns something that predicts. Here stand only names: whoever adds a kind of
model adds its line, and nothing of it is imported before such a model is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from daybreak.errors import ModelError
from daybreak.targets import load

if TYPE_CHECKING:
    import pandas as pd

    from training.registry.bundle import Bundle

LOADERS: dict[str, str] = {
    "gnn": "training.graph_teacher:read",
    "people": "training.graph_teacher:read",
    "ranker": "training.ranker_step:read",
    "two_tower": "training.towers:read",
}
"""The loader of each kind of model, as `module:attribute`."""


class Servable(Protocol):
    """A model that answers."""

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        """A row of recommendations or scores for each row that is asked, such as a user's id."""
        ...


def servable(bundle: Bundle) -> Servable:
    """The model of a bundle, ready to predict."""
    if bundle.kind not in LOADERS:
        known = ", ".join(sorted(LOADERS)) or "none"
        raise ModelError(
            f"the model in {bundle.folder} is of the kind '{bundle.kind}', which nothing here can load (known: {known})"
            "; install the version of Daybreak that made it"
        )
    model: Servable = load(LOADERS[bundle.kind])(bundle)
    return model
