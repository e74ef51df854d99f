"""A model in ONNX as it serves: threads said outright, the same answer for the same batch, no torch.

Float models may answer one row in other last bits beside other rows, as kernels differ by the size of a batch; models
with whole-number weights measure each batch anew (see `training.export.quantize`).
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from daybreak.errors import InputError, ModelError

Arrays = Mapping[str, NDArray[Any]]
ERRORS_ONLY = 3
TYPES = {"tensor(float)": np.dtype(np.float32), "tensor(int64)": np.dtype(np.int64)}


class Session:
    """A model opened to be run, from its file or from what the file holds."""

    def __init__(self, model: Path | bytes, *, threads: int = 1) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.use_deterministic_compute = True
        options.log_severity_level = ERRORS_ONLY
        try:
            content = model.read_bytes() if isinstance(model, Path) else model
            self._session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's own errors share no parent
            name = model.name if isinstance(model, Path) else "in memory"
            raise ModelError(
                f"model {name}: expected one that ONNX Runtime can run, found one that it cannot ("
                f"{str(error).splitlines()[0]}); fetch it again, or train it again"
            ) from None
        self._types = {each.name: TYPES[each.type] for each in self._session.get_inputs()}

    @property
    def inputs(self) -> tuple[str, ...]:
        """The names of what it is given."""
        return tuple(self._types)

    def run(self, arrays: Arrays, *, rows_at_once: int | None = None) -> NDArray[np.float32]:
        """What the model gives for these rows, some at once where memory is short."""
        rows = self._rows(arrays)
        at_once = rows_at_once or max(rows, 1)
        parts = [
            self._session.run(None, {name: arrays[name][start : start + at_once] for name in self._types})[0]
            for start in range(0, max(rows, 1), at_once)
        ]
        return parts[0] if len(parts) == 1 else np.concatenate(parts)

    def _rows(self, arrays: Arrays) -> int:
        """How many rows there are; says what keeps them from being run."""
        if missing := [name for name in self._types if name not in arrays]:
            raise InputError(f"the model takes {', '.join(self._types)}, found no {', '.join(missing)}; give it all")
        for name, type_ in self._types.items():
            if arrays[name].dtype != type_:
                raise InputError(f"the model takes {name} as {type_}, found {arrays[name].dtype}; convert it first")
        counts = {name: len(arrays[name]) for name in self._types}
        if len(set(counts.values())) > 1:
            raise InputError(f"the model takes as many rows of each input, found {counts}; take them from one table")
        return next(iter(counts.values()))
