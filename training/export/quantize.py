"""Linear layers with whole-number weights: a quarter of the size, by ONNX Runtime's dynamic quantisation.

Weights become whole numbers of 8 bits, scaled for each neuron. What flows in is scaled by the range of the batch at
hand, so one row's answer depends a little on the rows beside it: fit for ranking whole batches, and to be judged by
what it costs in quality (`training.export.forms`). Embeddings stay as they are.
"""

from __future__ import annotations

import logging
import tempfile
from pathlib import Path

from onnxruntime.quantization import QuantType, quant_pre_process, quantize_dynamic

LINEAR = ["MatMul", "Gemm"]


def quantize(path: Path, target: Path) -> Path:
    """Writes the model in `path` to `target` with linear layers of 8 bits."""
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with tempfile.TemporaryDirectory() as folder:
            ready = Path(folder) / "ready.onnx"
            quant_pre_process(str(path), str(ready), skip_symbolic_shape=True)
            quantize_dynamic(ready, target, op_types_to_quantize=LINEAR, per_channel=True, weight_type=QuantType.QUInt8)
    finally:
        logger.setLevel(level)
    return target
