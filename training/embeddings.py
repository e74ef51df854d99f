"""Makes the vectors of users and items by the champion of the towers, in `embeddings/vectors`.

Whose inputs are what they were when the vector was made keeps it; everybody's is made anew where the champion is
another, where the last whole run is `full_every_days` old, and with `full`. A whole run by the same champion compares
what it makes with what had been kept, and stops where the two lie further apart than `largest_gap`: then keeping was
wrong. Tonight's champion is the one that `training/champions` names. Without one nothing is made.

Works block by block and keeps each finished block until the night's commit, so a run that was interrupted goes on where
it stood. A second run of a night makes the same vectors.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from shutil import rmtree

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from daybreak.clock import days_before
from daybreak.contracts import DS
from daybreak.embeddings import EMBEDDING_RUNS, EMBEDDINGS
from daybreak.errors import ModelError
from daybreak.lake.schemas import data_schema, full_schema
from daybreak.learning import CHAMPIONS, ENTITIES, ITEM, USER, Model
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from daybreak.vectors import EmbeddingRun, listed, matrix_of, run_of, vectors_of
from training.data.ids import IdMap
from training.embedding_blocks import Maker, Standing
from training.night_view import night_view
from training.registry.versions import Versions
from training.retrieval import NightView
from training.towers import TowerModel, read

REMEMBERED_NIGHTS = 60
"""So far back the last run is looked for."""


class EmbeddingsConfig(StepConfig):
    """What is made anew, and how much at once."""

    history_days: int = Field(90, ge=7, description="days of wants that say what a user remembers")
    full_every_days: int = Field(7, ge=1, description="age of the last whole run at which everybody's is made anew")
    full: bool = Field(False, description="make everybody's anew tonight")
    ignored_change: float = Field(
        0.0, ge=0, lt=1, description="change of a scaled input below which a vector is mostly kept; 0: none"
    )
    largest_gap: float = Field(
        0.05, gt=0, description="distance of a kept vector from the one made anew, by the mean length, that is a fault"
    )
    block: int = Field(8_192, ge=1, description="users or items worked on at once")


def run(config: EmbeddingsConfig, io: StepIO) -> Summary:
    """Makes what is to be made, and notes on what the night's vectors stand."""
    champion = _champion(io)
    if champion is None:
        io.write(EMBEDDINGS, data_schema(EMBEDDINGS).empty_table())
        io.write(EMBEDDING_RUNS, data_schema(EMBEDDING_RUNS).empty_table())
        return {"version": "no champion yet", "made": 0}
    view = night_view(io, config.history_days, with_features=True)
    versions = Versions.of(io.settings)
    model = read(versions.fetch(versions.get(Model.TWO_TOWER, champion.version)))
    last = _last_run(io, champion)
    whole = last is None or config.full or last.since <= days_before(io.ds, config.full_every_days)
    stands_on = champion if last is None or whole else replace(champion, since=last.since)
    with _unfinished(io, champion) as folder:
        makers = _makers(config, model, view, _standing(io, last), folder)
        gap, made = _write_all(config, io, makers, champion.version, whole=whole)
    _note(io, stands_on, view, made, gap)
    return {
        "version": champion.version,
        "whole": whole,
        "users": len(view.users),
        "items": len(view.items),
        "made": made,
        "gap": gap,
    }


def _champion(io: StepIO) -> EmbeddingRun | None:
    """The version of the towers that tonight lists by."""
    rows = io.day(CHAMPIONS, columns=["model", "version", "digest"]).to_pylist()
    found = [row for row in rows if row["model"] == Model.TWO_TOWER]
    return EmbeddingRun(found[0]["version"], found[0]["digest"], io.ds) if found else None


def _last_run(io: StepIO, champion: EmbeddingRun) -> EmbeddingRun | None:
    """The newest run of an earlier night, where it was by the same model."""
    earliest = days_before(io.ds, REMEMBERED_NIGHTS)
    nights = [night for night in io.days(EMBEDDING_RUNS) if earliest <= night < io.ds]
    found = run_of(io, max(nights)) if nights else None
    return found if found and (found.version, found.digest) == (champion.version, champion.digest) else None


def _standing(io: StepIO, last: EmbeddingRun | None) -> dict[str, Standing]:
    """What stands of the last run, by entity."""
    if last is None:
        return {}
    rows = vectors_of(io, last, days_before(io.ds, 1), ("inputs", "vector"))
    by = {entity: rows.filter(pc.equal(rows["entity"], entity)) for entity in ENTITIES}
    return {
        entity: Standing(
            IdMap(mine["entity_id"]),
            mine["inputs"].to_numpy(),
            matrix_of(mine["vector"], EMBEDDINGS.name, "run it with full=true"),
        )
        for entity, mine in by.items()
        if mine.num_rows
    }


def _makers(
    config: EmbeddingsConfig, model: TowerModel, view: NightView, standing: dict[str, Standing], folder: Path
) -> list[Maker]:
    scorer = model.at(view)
    parts = (
        (USER, view.users, scorer.of_users, model.users),
        (ITEM, view.items, scorer.of_items, model.items_tower),
    )
    return [Maker(*part, standing.get(part[0]), config.ignored_change, folder) for part in parts]


def _write_all(
    config: EmbeddingsConfig, io: StepIO, makers: list[Maker], version: int, *, whole: bool
) -> tuple[float | None, int]:
    """Writes block after block; the largest gap and how many vectors were made."""
    gaps: list[float] = []
    made = 0

    def batches() -> Iterator[pa.RecordBatch]:
        nonlocal made
        for maker in makers:
            for block in maker.blocks(config.block, whole=whole):
                made += len(block.rows)
                if block.gap is not None:
                    gaps.append(block.gap)
                    _refuse_apart(block.gap, config.largest_gap, maker.name, io.ds)
                columns = {
                    "version": pa.array([version] * len(block.rows), pa.int32()),
                    "entity": pa.array([maker.name] * len(block.rows), pa.string()),
                    "entity_id": maker.ids.of(block.rows),
                    "inputs": pa.array(block.inputs, pa.int64()),
                    "vector": listed(block.vectors),
                    DS: pa.array([io.ds] * len(block.rows), pa.string()),
                }
                yield pa.record_batch(list(columns.values()), schema=full_schema(EMBEDDINGS))

    io.write(EMBEDDINGS, pa.RecordBatchReader.from_batches(full_schema(EMBEDDINGS), batches()))
    return max(gaps, default=None), made


def _refuse_apart(gap: float, largest: float, name: str, ds: str) -> None:
    if gap > largest:
        raise ModelError(
            f"vectors of {name}s that were kept until {ds} lie up to {gap:.3f} of a mean length from those made anew,"
            f" where at most {largest:g} was expected: lower ignored_change of training.embeddings, and run it with"
            " full=true and a higher largest_gap once, which replaces all of them"
        )


def _note(io: StepIO, stands_on: EmbeddingRun, view: NightView, made: int, gap: float | None) -> None:
    row = {
        "model": Model.TWO_TOWER.value,
        "version": stands_on.version,
        "digest": stands_on.digest,
        "since": stands_on.since,
        "users": len(view.users),
        "items": len(view.items),
        "made": made,
        "gap": gap,
    }
    io.write(EMBEDDING_RUNS, pa.Table.from_pylist([row], schema=data_schema(EMBEDDING_RUNS)))


@contextmanager
def _unfinished(io: StepIO, champion: EmbeddingRun) -> Iterator[Path]:
    """Where finished blocks of this night and model are kept until the commit. With them go those of other models, and
    of nights that have committed since."""
    shelf = io.settings.scratch / "embeddings"
    folder = shelf / f"{io.ds}-{champion.digest[:12]}"
    folder.mkdir(parents=True, exist_ok=True)
    yield folder
    done = {io.ds, *io.days(EMBEDDING_RUNS)}
    for left in shelf.iterdir():
        if left.name.rpartition("-")[0] in done:
            rmtree(left, ignore_errors=True)
