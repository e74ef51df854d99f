"""Fills the online store with the newest features of every user and item, and checks that they are all there.

For each view the newest row of each entity, as of the moment the night was due, goes online. Where an earlier night
filled the view and its files are unchanged since, the new nights alone are read and written; else all that can still
count. Entities whose last row is too old are removed. A view counts once all its entities are found there again, and
half a view never does: run the step again after a crash. The night of an older day leaves the newer values alone, one
that a newer night overtakes withdraws, and one that was never landed is refused before anything is touched.

Writes `online/materialized`, one row per view. The step fails, with the values online, where a view is stale: the job
that makes it has not run for longer than its declaration allows (`fresh_within`). A nightly view may miss one night. A
second run of a day writes nothing new.
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import PurePath

import pyarrow as pa
from duckdb import DuckDBPyConnection

from daybreak.clock import days_before
from daybreak.datasets import DELIVERIES
from daybreak.errors import GateError
from daybreak.features.declaration import FeatureView
from daybreak.features.nights import newest_moment, newest_night
from daybreak.features.online import MATERIALIZED
from daybreak.features.statistics import Freshness
from daybreak.features.views import VIEWS
from daybreak.lake.schemas import data_schema
from daybreak.step_io import StepIO
from daybreak.steps import Memory, StepConfig, Summary
from feature_repo.encoding import entity_keys
from feature_repo.newest import NewestRows, Nights
from feature_repo.online_store import Mark, MarkChanged, OnlineStore, Settled, Turn, night_after, online_store


class MaterializeConfig(StepConfig):
    """How much memory the search for the newest rows may take."""

    memory: Memory = "1GB"


@dataclass(frozen=True)
class Outcome:
    """What became of a view. It counts unless entities are missing."""

    view: str
    mode: str
    rows: int
    removed: int
    entities: int
    newest_event_ts: str | None
    missing: int = 0

    @property
    def newest(self) -> datetime | None:
        return datetime.fromisoformat(self.newest_event_ts) if self.newest_event_ts else None


def run(config: MaterializeConfig, io: StepIO) -> Summary:
    """Fills view after view; each counts from its own end on."""
    io.require(DELIVERIES)
    store = online_store(io.settings)
    if newer := night_after(config.ds, store.marks()):
        return {"views": 0, "kept": f"{store.place} holds the newer night {newer}, which is left as it is"}
    with io.duckdb(config.memory) as database:
        outcomes = [_filled(view, store, database, io) for view in VIEWS.values()]
    _refuse_incomplete(outcomes, store)
    rows = [{**asdict(outcome), "newest_event_ts": outcome.newest} for outcome in outcomes]
    io.write(MATERIALIZED, pa.Table.from_pylist(rows, schema=data_schema(MATERIALIZED)))
    summary = {"views": len(outcomes), "rows": sum(outcome.rows for outcome in outcomes), "online": store.place}
    if stale := stale_views(outcomes, io):
        raise GateError(f"{'; '.join(stale)}. What is online is the newest there is", {**summary, "stale": len(stale)})
    return summary


def stale_views(outcomes: list[Outcome], io: StepIO) -> list[str]:
    """A sentence for each view that is stale on this night."""
    sentences = []
    for outcome in outcomes:
        view = VIEWS[outcome.view]
        freshness = Freshness(io.ds, io.settings.night_due, newest_night(view, io), outcome.newest)
        if why := freshness.why_stale(view):
            sentences.append(f"view {view.name} is stale: {why}; run {view.made_by} for {io.ds}, then this step again")
    return sentences


def _refuse_incomplete(outcomes: list[Outcome], store: OnlineStore) -> None:
    incomplete = [each for each in outcomes if each.missing]
    if not incomplete:
        return
    views = "; ".join(
        f"view {each.view} is incomplete online: {each.missing} of {each.entities + each.missing} entities cannot be"
        " looked up"
        for each in incomplete
    )
    raise GateError(
        f"{views}. See whether something else removes them from {store.place} (a memory limit, somebody by hand), then"
        " run the step again, which fills these views anew",
        {"views": len(outcomes) - len(incomplete), "incomplete": len(incomplete)},
    )


def _filled(view: FeatureView, store: OnlineStore, database: DuckDBPyConnection, io: StepIO) -> Outcome:
    """Fills a view, and plans that anew where an older attempt came between."""
    while True:
        with suppress(MarkChanged):
            return _fill(view, store, database, io)


def _fill(view: FeatureView, store: OnlineStore, database: DuckDBPyConnection, io: StepIO) -> Outcome:
    """Fills a view and makes it count, unless an entity is missing afterwards. Its tables are looked at after its mark:
    so an attempt that a newer one overtakes meanwhile, with newer tables, finds its mark gone."""
    mark = store.marks().get(view.name)
    nights = Nights.of(view, io)
    paths = nights.paths(io)
    held = mark if mark and _still_holds(mark, view, io) and _is_worth_keeping(mark, view, store, io) else None
    new_paths = nights.paths(io, since=days_before(held.night, -1)) if held else paths
    source = NewestRows(nights, paths, database)
    turn = Turn(view, io.ds, io.attempt.token, mark)
    with store.filling(turn, whole=held is None) as filling:
        written = 0
        for batch in source.rows(new_paths if held else None):
            filling.put(batch)
            written += batch.num_rows
        settled = filling.settle(entity_keys(view.keys, batch.columns) for batch in source.entities())
        outcome = _outcome(view, held, io.ds, written, settled, newest_moment(view, io, database))
        if not outcome.missing:
            filling.finish(
                Mark(
                    night=io.ds,
                    attempt=io.attempt.token,
                    since=nights.since,
                    files=_digest(paths),
                    shape=_shape(view),
                    features=view.feature_names,
                    outcome=asdict(outcome),
                )
            )
    if outcome.missing:
        store.doubt(view.name, io.ds)
    return outcome


def _outcome(
    view: FeatureView, held: Mark | None, ds: str, written: int, settled: Settled, newest: datetime | None
) -> Outcome:
    """What became of a view; of a night that had filled it already, what that filling came to."""
    moment = newest.isoformat() if newest else None
    if held and held.outcome and held.night == ds and not settled.missing:
        return replace(Outcome(**held.outcome), newest_event_ts=moment)
    return Outcome(
        view=view.name,
        mode="new" if held else "full",
        rows=written,
        removed=settled.removed,
        entities=settled.entities,
        missing=settled.missing,
        newest_event_ts=moment,
    )


def _still_holds(mark: Mark, view: FeatureView, io: StepIO) -> bool:
    """Whether the view is finished, and made of what its tables still hold for those nights."""
    if mark.outcome is None or mark.shape != _shape(view):
        return False
    return mark.files == _digest(io.paths(view.dataset, since=mark.since, until=mark.night))


def _is_worth_keeping(mark: Mark, view: FeatureView, store: OnlineStore, io: StepIO) -> bool:
    """Whether writing the new nights alone is cheaper than all."""
    new = sum(rows for day, rows in io.days(view.dataset).items() if day > mark.night)
    return new == 0 or new < store.rewrites_from * (mark.outcome or {}).get("entities", 0)


def _digest(paths: list[str]) -> str:
    """Data files are never written over, so their names tell whether a night was written again."""
    names = sorted("/".join(PurePath(path).parts[-2:]) for path in paths)
    return hashlib.sha256("\n".join(names).encode()).hexdigest()


def _shape(view: FeatureView) -> str:
    """What a view must keep for its online values to go on counting: columns, types, times."""
    columns = [f"{column.name} {column.type}" for column in view.dataset.columns]
    return "; ".join([*columns, f"ttl {view.ttl}", f"nightly {view.nightly}"])
