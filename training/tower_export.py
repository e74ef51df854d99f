"""The forms in which towers travel: float32, which is held to the torch module; INT8; pruned; pruned and INT8."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from daybreak.features.encoder import Encoded
from training.export.onnx_export import export
from training.export.prune import pruned
from training.export.quantize import quantize
from training.models.two_tower import TwoTower

TOWERS = ("users", "items")
FLOAT, INT8, PRUNED, PRUNED_INT8 = "float32", "int8", "pruned", "pruned_int8"


@dataclass(frozen=True)
class ExportedTowers:
    """The files of each form, by tower; `gap` is how far float32 lies from torch at most."""

    files: Mapping[str, Mapping[str, Path]]
    gap: float


def export_towers(
    module: TwoTower, examples: Mapping[str, tuple[Encoded, Tensor]], folder: Path, prune_share: float
) -> ExportedTowers:
    """Writes every form of both towers. `examples` are rows of users and of items with their memories."""
    files: dict[str, dict[str, Path]] = {form: {} for form in (FLOAT, INT8, PRUNED, PRUNED_INT8)}
    gap = 0.0
    for name in TOWERS:
        tower, inputs = getattr(module, name), _inputs(*examples[name])
        gap = max(gap, _written(tower, inputs, folder, name, files, FLOAT, INT8))
        smaller = pruned(tower, list(inputs.values()), prune_share)
        _written(smaller, inputs, folder, name, files, PRUNED, PRUNED_INT8)
    return ExportedTowers(files, gap)


def _written(
    tower: nn.Module,
    inputs: Mapping[str, Tensor],
    folder: Path,
    name: str,
    files: dict[str, dict[str, Path]],
    whole: str,
    small: str,
) -> float:
    """Exports a tower in one form, and that form again with linear layers of 8 bits."""
    files[whole][name] = folder / f"{name}-{whole}.onnx"
    gap = export(tower, inputs, files[whole][name], output="vector")
    files[small][name] = quantize(files[whole][name], folder / f"{name}-{small}.onnx")
    return gap


def _inputs(encoded: Encoded, memory: Tensor) -> dict[str, Tensor]:
    return {
        "numbers": torch.from_numpy(encoded.numbers),
        "words": torch.from_numpy(encoded.words),
        "vectors": torch.from_numpy(encoded.vectors),
        "memory": memory,
    }
