"""From torch to ONNX, for any module whose inputs are plain tensors with one row per example.

What was exported is run beside the module on drawn inputs, in batches of several sizes; how far the two lie apart is
the measure that comes back. The file says nothing of the machine it was made on, so equal modules give equal bytes.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from torch import Tensor, nn

from daybreak.errors import ModelError
from daybreak.ranking.session import Session

TOLERANCE = 1e-3
BATCHES = (1, 2, 255)
ROWS = "rows"


def export(
    module: nn.Module,
    inputs: Mapping[str, Tensor],
    path: Path,
    *,
    output: str = "logits",
    tolerance: float = TOLERANCE,
    seed: int = 0,
) -> float:
    """Writes the module as ONNX and returns how far the two lie apart at most on drawn inputs.

    `inputs` are examples by the names of the arguments, at least two rows; of whole numbers the largest of each column
    tells which may be drawn.
    """
    module = module.eval()
    with _quiet(), torch.no_grad():
        program = torch.onnx.export(
            module,
            tuple(inputs.values()),
            dynamo=True,
            dynamic_shapes=tuple({0: torch.export.Dim(ROWS)} for _ in inputs),
            input_names=list(inputs),
            output_names=[output],
            verbose=False,
        )
    assert program is not None
    path.write_bytes(_anonymous(program.model_proto).SerializeToString(deterministic=True))
    return parity(module, path, inputs, tolerance=tolerance, seed=seed)


def parity(
    module: nn.Module, path: Path, inputs: Mapping[str, Tensor], *, tolerance: float = TOLERANCE, seed: int = 0
) -> float:
    """How far module and file lie apart at most on drawn inputs; an error where that is above the tolerance."""
    session, apart = Session(path), 0.0
    for number, rows in enumerate(BATCHES):
        given = drawn(inputs, rows, seed + number)
        with torch.no_grad():
            expected = module(*given.values()).numpy()
        found = session.run({name: values.numpy() for name, values in given.items()})
        apart = max(apart, float(np.abs(found - expected).max()))
    if not apart <= tolerance:
        raise ModelError(
            f"model {path.name}: what was exported should give what torch gives, to within {tolerance:g}, found"
            f" {apart:g} between them; keep serving the model before, and look for what ONNX computes otherwise"
        )
    return apart


def drawn(inputs: Mapping[str, Tensor], rows: int, seed: int) -> dict[str, Tensor]:
    """Rows like the examples: whole numbers up to the largest of each column, others from the normal distribution."""
    chance = torch.Generator().manual_seed(seed)
    found: dict[str, Tensor] = {}
    for name, example in inputs.items():
        shape = (rows, *example.shape[1:])
        if example.is_floating_point():
            found[name] = torch.randn(shape, generator=chance, dtype=example.dtype)
        else:
            share = torch.rand(shape, generator=chance, dtype=torch.float64)
            found[name] = (share * (example.amax(dim=0) + 1)).to(example.dtype)
    return found


def _anonymous(model: onnx.ModelProto) -> onnx.ModelProto:
    """The model without the lines of code that each node came from, and without shapes that follow from others."""
    del model.graph.value_info[:]
    for kept in (model, model.graph, *model.graph.node, *model.graph.initializer):
        del kept.metadata_props[:]
        kept.doc_string = ""
    for ends in (model.graph.input, model.graph.output):
        for end in ends:
            del end.metadata_props[:]
    return model


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without what the exporter tells of itself; its errors still come out."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
