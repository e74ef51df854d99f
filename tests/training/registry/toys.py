"""A kind of model that costs nothing: it lists the same items for everybody."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from training.registry.bundle import Bundle, write_bundle
from training.registry.catalogue import Version
from training.registry.versions import Versions

KIND, MODEL = "toy", "two_tower"
LOADER = "tests.training.registry.toys:Toy"
ASKED = pd.DataFrame({"user_id": ["u1", "u2"]})


class Toy:
    """Items by their scores, the best first."""

    def __init__(self, bundle: Bundle) -> None:
        best = np.argsort(-bundle.array("scores"), kind="stable")[: bundle.config["k"]]
        self._items = [f"i{number}" for number in best]

    def predict(self, frame: pd.DataFrame) -> pd.DataFrame:
        return pd.DataFrame({"user_id": frame["user_id"], "items": [self._items] * len(frame)})


def toy(folder: Path, seed: int = 1, **changes: Any) -> Bundle:
    """A bundle of it, whose scores depend on the seed."""
    parts: dict[str, Any] = {
        "kind": KIND,
        "config": {"k": 3, "towers": {"memory": 64}},
        "facts": {"trained_until": "2026-11-20", "id_map": "abc"},
        "arrays": {"scores": np.random.default_rng(seed).random(20)},
        "built_from": {"tables": {"training/rows": 4}, "code_version": "f00"},
    }
    return write_bundle(folder, **{**parts, **changes})


def registered(versions: Versions, day: str, model: str = MODEL) -> Version:
    """A version that learned until `day`, made by that night, with tags alone: nothing of it is stored."""
    client = versions.registry.client
    if model not in versions.models():
        client.create_registered_model(model)
    tags = {"ds": day, "trained_until": day, "digest": f"of {day}"}
    made = client.create_model_version(model, f"/nowhere/{day}", run_id="1" * 32, tags=tags)
    return versions.get(model, int(made.version))


def move(versions: Versions, version: Version) -> None:
    """What a person does in MLflow's UI."""
    versions.registry.client.set_registered_model_alias(version.model, "champion", str(version.number))


def champion_on(versions: Versions, day: str) -> int | None:
    found = versions.champion(MODEL, day)
    return found.number if found else None
