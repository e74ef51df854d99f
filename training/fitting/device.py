"""Where models are fitted: on the first GPU where there is one, else here."""

from __future__ import annotations

import os

import torch


def device_of() -> torch.device:
    """The device of this process; of several that torchrun has started, each has a GPU of its own."""
    if not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
