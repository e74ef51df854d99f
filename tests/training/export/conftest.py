"""The ranker as ONNX, exported once for all who look at it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.training.export.toys import ranker, ranker_inputs
from training.export.onnx_export import export


@pytest.fixture(scope="session")
def exported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("exported") / "m.onnx"
    export(ranker(), ranker_inputs(), path)
    return path
