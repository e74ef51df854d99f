"""From what a head of the ranker says to how likely it is: a rising curve, applied with plain numpy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Kind = Literal["temperature", "platt", "isotonic"]
LARGEST_LOGIT = 700.0


@dataclass(frozen=True)
class Calibrator:
    """A rising curve from logits to probabilities: lines between knots, in logits on both sides, and beyond them lines
    of `slope`."""

    kind: Kind
    slope: float
    knots: tuple[float, ...]
    values: tuple[float, ...]

    def __call__(self, logits: npt.ArrayLike) -> Floats:
        """How likely, for each logit."""
        given = np.asarray(logits, np.float64)
        knots, values = np.asarray(self.knots), np.asarray(self.values)
        inside = np.interp(given, knots, values)
        beyond = given - np.clip(given, knots[0], knots[-1])
        return sigmoid(inside + self.slope * beyond)

    def to_json(self) -> dict[str, Any]:
        return {"kind": self.kind, "slope": self.slope, "knots": list(self.knots), "values": list(self.values)}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Calibrator:
        return cls(document["kind"], document["slope"], tuple(document["knots"]), tuple(document["values"]))


def sigmoid(logits: Floats) -> Floats:
    """Probabilities; small ones to as many digits as large ones, so that what is ordered stays so."""
    return 1.0 / (1.0 + np.exp(-np.clip(logits, -LARGEST_LOGIT, None)))
