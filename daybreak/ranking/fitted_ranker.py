"""The ranker as it serves: encoder, ONNX and calibration curves. Features go in, chances come out; no torch.

encoder.json        how features become numbers
calibrators.json    how what each head says becomes a chance
config.json         the heads in their order, the form that serves, and what the model was configured by
ranker.onnx         the model; ranker_<form>.onnx are lighter forms of it
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from daybreak.errors import InputError, ModelError
from daybreak.features.encoder import Encoded, FeatureEncoder
from daybreak.files import write_atomically
from daybreak.ranking.calibrator import Calibrator
from daybreak.ranking.session import Session

FLOAT32 = "float32"
ENCODER, CALIBRATORS, CONFIG = "encoder.json", "calibrators.json", "config.json"
ROWS_AT_ONCE = 8_192


@dataclass(frozen=True)
class FittedRanker:
    """A ranker that can score. `forms` holds the model's ONNX by form; `serves` names the one that scores."""

    heads: tuple[str, ...]
    encoder: FeatureEncoder
    calibrators: Mapping[str, Calibrator]
    forms: Mapping[str, bytes]
    config: Mapping[str, Any]
    serves: str = FLOAT32

    def score(self, rows: pa.Table) -> dict[str, NDArray[np.float64]]:
        """How likely each head is, for each row; rows need have no more than the encoder's columns."""
        logits = self.logits(rows)
        return {head: self.calibrators[head](logits[:, place]) for place, head in enumerate(self.heads)}

    def logits(self, rows: pa.Table) -> NDArray[np.float32]:
        """What the model says of each row, a column for each head, before calibration."""
        batches = rows.to_batches(max_chunksize=ROWS_AT_ONCE)
        parts = [self.of_encoded(self.encoder.encode(batch)) for batch in batches]
        return np.concatenate([np.zeros((0, len(self.heads)), np.float32), *parts])

    def of_encoded(self, encoded: Encoded) -> NDArray[np.float32]:
        """The same for rows that are encoded already."""
        given: dict[str, NDArray[Any]] = {
            "numbers": encoded.numbers,
            "words": encoded.words,
            "vectors": encoded.vectors,
        }
        return self._session.run(given, rows_at_once=ROWS_AT_ONCE)

    @cached_property
    def _session(self) -> Session:
        if self.serves not in self.forms:
            raise InputError(
                f"the ranker has no form {self.serves} to serve by; it has: {', '.join(self.forms)}. Name one of them"
            )
        return Session(self.forms[self.serves], threads=int(self.config.get("threads", 1)))

    def save(self, folder: Path) -> None:
        """Writes it as plain files."""
        folder.mkdir(parents=True, exist_ok=True)
        calibrators = {head: curve.to_json() for head, curve in self.calibrators.items()}
        told = {"heads": list(self.heads), "serves": self.serves, "forms": list(self.forms), "config": self.config}
        for name, document in ((ENCODER, self.encoder.to_json()), (CALIBRATORS, calibrators), (CONFIG, told)):
            write_atomically(folder / name, json.dumps(document, indent=1, ensure_ascii=False).encode())
        for form, content in self.forms.items():
            write_atomically(folder / _file(form), content)

    @classmethod
    def load(cls, folder: Path) -> FittedRanker:
        """The ranker that was saved there."""
        try:
            encoder, calibrators, told = (
                json.loads((folder / name).read_bytes()) for name in (ENCODER, CALIBRATORS, CONFIG)
            )
            forms = {form: (folder / _file(form)).read_bytes() for form in told["forms"]}
            return cls(
                heads=tuple(told["heads"]),
                encoder=FeatureEncoder.from_json(encoder),
                calibrators={head: Calibrator.from_json(curve) for head, curve in calibrators.items()},
                forms=forms,
                config=told["config"],
                serves=told["serves"],
            )
        except (FileNotFoundError, NotADirectoryError) as error:
            raise ModelError(
                f"the ranker in {folder} should hold {Path(str(error.filename)).name}, found no such file; fetch it"
                " again, or train it again"
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise ModelError(
                f"the ranker in {folder} cannot be read ({error!r}); fetch it again, or train it again"
            ) from None


def _file(form: str) -> str:
    return "ranker.onnx" if form == FLOAT32 else f"ranker_{form}.onnx"
