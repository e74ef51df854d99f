"""What MLflow imports to load one of our models: `mlflow.pyfunc.load_model("models:/two_tower@champion")`."""

from __future__ import annotations

from pathlib import Path

from training.registry.bundle import open_bundle
from training.registry.loaders import Servable, servable


def _load_pyfunc(data_path: str) -> Servable:
    """The model whose bundle MLflow has brought to `data_path`."""
    return servable(open_bundle(Path(data_path)))
