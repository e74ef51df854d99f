"""Gives rows to the users and items that nights met first, in `training/id_rows`.

Ids come from the states of users and items and from what was counted of their events; an id belongs to the night that
first delivered it. A night writes its own day, and those of earlier nights that have none yet. So ids keep their rows
from night to night, and the same deliveries give the same rows, landed night after night or all at once. A second run
of a night replaces it with the same rows.
"""

from __future__ import annotations

import pyarrow as pa
import pyarrow.compute as pc

from daybreak.clock import days_before
from daybreak.contracts import DS, Dataset
from daybreak.datasets import DELIVERIES, ITEMS, USERS
from daybreak.features.partials import ITEM_DAYS, USER_DAYS
from daybreak.learning import ID_ROWS, ITEM, USER
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from training.data.ids import first_met

MET_IN: dict[str, tuple[Dataset, ...]] = {USER: (USERS, USER_DAYS), ITEM: (ITEMS, ITEM_DAYS)}


class IdsConfig(StepConfig):
    """Nothing to choose."""


def run(config: IdsConfig, io: StepIO) -> Summary:
    """Appends the new ids of the night, and of earlier ones that were never asked."""
    io.require(DELIVERIES)
    landed = sorted(io.days(DELIVERIES))
    nights = sorted({*landed, config.ds} - io.written(ID_ROWS, landed) | {config.ds})
    known = io.read(ID_ROWS, until=days_before(nights[0], 1), columns=["entity", "entity_id"])
    parts, summary = [], {}
    for entity, datasets in MET_IN.items():
        met = pa.concat_tables([_met(io, dataset, f"{entity}_id", nights[0]) for dataset in datasets])
        new = first_met(known.filter(pc.equal(known["entity"], entity))["entity_id"], met)
        new = new.filter(pc.is_in(new[DS], value_set=pa.array(nights)))
        parts.append(new.add_column(0, "entity", pa.array([entity] * new.num_rows, pa.string())))
        summary[f"new_{entity}s"] = new.num_rows
    io.write(ID_ROWS, pa.concat_tables(parts), days=nights)
    return {**summary, "nights": len(nights)}


def _met(io: StepIO, dataset: Dataset, column: str, since: str) -> pa.Table:
    """The ids that each night delivered."""
    rows = io.read(dataset, since=since, columns=[column, DS])
    return pa.table({"entity_id": rows[column], DS: rows[DS].cast(pa.string())})
