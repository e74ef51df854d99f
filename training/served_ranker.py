"""The night's champion ranker as a release, for those who rank by it and know nothing of the registry."""

from __future__ import annotations

import shutil

from daybreak.errors import GateError
from daybreak.learning import RANKERS, Model
from daybreak.ranking.fitted_ranker import FittedRanker
from daybreak.releases import Check, Release
from daybreak.step_io import StepIO
from training.registry.catalogue import Version
from training.registry.versions import Versions


def ranker_released(io: StepIO, versions: Versions, champion: Version | None) -> str | None:
    """The release that holds the champion's files, proven to load; None while there is no champion."""
    if champion is None:
        return None
    bundle, store = versions.fetch(champion), io.releases(RANKERS)
    model = f"{Model.RANKER}-{champion.number}"
    with store.build(ds=io.ds, model=model, surfaces=(), built_from={"digest": champion.digest}) as draft:
        for path in sorted((bundle.folder / "files").iterdir()):
            shutil.copyfile(path, draft.path / path.name)
            draft.add(path.name, rows=0)
    results = store.audit(draft.release_id, [_loads])
    if failed := [check.detail for check in results if not check.passed]:
        raise GateError(f"the ranker of {model} cannot serve: {'; '.join(failed)}. What was live stays live")
    if not store.reason_to_wait(io.ds):
        store.publish(draft.release_id, reason=f"night {io.ds}", token=io.attempt.token)
    return draft.release_id


def _loads(release: Release) -> Check:
    ranker = FittedRanker.load(release.path)
    return Check("ranker", bool(ranker.heads), f"heads: {', '.join(ranker.heads)}")
