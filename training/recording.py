"""From what a step has learned to a version in the registry: the run, its lineage, the gates, the alias."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from daybreak.clock import days_before
from daybreak.code_version import code_version
from daybreak.errors import InputError, ModelError
from daybreak.learning import DECISIONS, Model
from daybreak.step_io import StepIO
from training.registry.bundle import Bundle
from training.registry.catalogue import Version
from training.registry.gates import Gate
from training.registry.tracking import Run
from training.registry.versions import Verdict, Versions

if TYPE_CHECKING:
    import pandas as pd

TOLD_IN_TAGS = ("ndcg_at_20", "recall_at_20", "recall_at_100", "ndcg_at_10", "ece")


@dataclass(frozen=True)
class Recorded:
    """The version that a step made, and what became of it."""

    version: Version
    verdict: Verdict


def standing(versions: Versions, model: Model, ds: str) -> Version | None:
    """The champion that a night finds: what the night itself has made does not count, so that running it again finds
    the same."""
    champion = versions.champion(model, ds)
    if champion is not None and champion.ds == ds:
        return versions.champion(model, days_before(ds, 1))
    return champion


def tables_read(io: StepIO) -> dict[str, int]:
    """Which version of which table was read."""
    tables: dict[str, int] = io.origin["tables"]
    return tables


def learned_from(io: StepIO) -> dict[str, int]:
    """The same without the decision to train, which every attempt at a night makes anew."""
    return {name: version for name, version in tables_read(io).items() if name != DECISIONS.name}


class Checkpoint:
    """Where a fit of a night is kept until its model is safe. Another fit, of other rows, settings or code, has a place
    of its own: a night that goes on takes up what is its own, and else begins anew."""

    def __init__(self, io: StepIO, model: Model, params: Mapping[str, Any], rows: Any) -> None:
        told = json.dumps([params, rows, code_version()], sort_keys=True, default=str)
        self._folder, self._model = io.settings.scratch / "checkpoints", model
        self.path = self._folder / f"{model}-{io.ds}-{hashlib.sha256(told.encode()).hexdigest()[:12]}.pt"

    def remove(self) -> None:
        """Also those of other fits of the model, which nobody takes up any more."""
        for path in self._folder.glob(f"{self._model}-*.pt"):
            path.unlink(missing_ok=True)


@contextmanager
def compared_with(champion: Version) -> Iterator[None]:
    """Tells the way out where a champion cannot be asked about what its challenger is judged by."""
    try:
        yield
    except InputError as error:
        raise ModelError(
            f"version {champion.number} of model {champion.model}, the champion, cannot be asked about the days that"
            f" judge its challenger: {error}; or remove its alias champion in MLflow, and the challenger is compared"
            " with nobody"
        ) from error


def curves_into(run: Run) -> Callable[[str, float, int], None]:
    """An observer of a fit that logs what each epoch came to."""

    def observe(name: str, value: float, number: int) -> None:
        if not name.startswith("batch/"):
            run.metric(name, value, number)

    return observe


def record(
    versions: Versions,
    run: Run,
    io: StepIO,
    bundle: Bundle,
    example: pd.DataFrame,
    metrics: Mapping[str, float],
    gates: Sequence[Gate],
    because: str,
) -> Recorded:
    """Logs what was measured and where it comes from, registers the version, and lets the gates speak."""
    run.metrics({name: value for name, value in metrics.items() if value == value})
    run.inputs(tables_read(io))
    run.document("lineage", {**io.origin, "digest": bundle.digest, "facts": bundle.facts, "because": because})
    run.table("gates", [{"gate": gate.name, "passed": gate.passed, "detail": gate.detail} for gate in gates])
    measures = {name: metrics[name] for name in TOLD_IN_TAGS if name in metrics}
    version = versions.register(run, bundle, example, measures, {"trained_because": because})
    return Recorded(version, versions.settle(version, gates))


def summary_of(recorded: Recorded, model: Model) -> dict[str, Any]:
    """What a step says of the version that it made."""
    return {"model": model.value, "version": recorded.version.number, "promoted": recorded.verdict.promoted,
            "why": recorded.verdict.why}  # fmt: skip
