"""Makes the vectors of items that came, changed or launched since the night of the live index, in
`embeddings/arrivals`.

The version that the live index is of makes them, whatever is champion by now: vectors of two models cannot be searched
together. What was counted of an item is taken from the night of the index, so a new item is what its catalogue entry
and its text say. Reads the items that were landed since, up to the day of the run; a second run makes the same. Where
no index is live yet there is nothing to add to, and nothing is made.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from daybreak.clock import days_before
from daybreak.datasets import ITEMS
from daybreak.embeddings import ARRIVALS
from daybreak.errors import InputError
from daybreak.indexes import CHANNEL
from daybreak.item_states import may_be_shown
from daybreak.lake.schemas import data_schema
from daybreak.learning import Model
from daybreak.releases import Release
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from daybreak.vectors import listed
from training.data.ids import IdMap
from training.data.nights import items_since
from training.registry.versions import Versions
from training.towers import placed, read


class ArrivalsConfig(StepConfig):
    """There is nothing to choose: the live index says which version, and since when."""


def run(config: ArrivalsConfig, io: StepIO) -> Summary:
    """Embeds what came since."""
    store = io.releases(CHANNEL)
    base = store.current(verify=False) if store.current_id() else None
    if base is None:
        io.write(ARRIVALS, data_schema(ARRIVALS).empty_table())
        return {"index": "none is live yet", "items": 0}
    if base.manifest.ds > io.ds:
        raise InputError(
            f"the live index {base.id} already holds what came on {io.ds}; run the hour of a later day than"
            f" {base.manifest.ds}"
        )
    version, digest = _model_of(base)
    arrived = _arrived(io, base.manifest.ds)
    vectors = _vectors(io, base.manifest.ds, version, IdMap(arrived)) if len(arrived) else np.zeros((0, 1), np.float32)
    rows = {
        "version": pa.array([version] * len(arrived), pa.int32()),
        "digest": pa.array([digest] * len(arrived), pa.string()),
        "night": pa.array([base.stands_on] * len(arrived), pa.string()),
        "item_id": arrived,
        "vector": listed(vectors),
    }
    io.write(ARRIVALS, pa.table(rows, schema=data_schema(ARRIVALS)))
    return {"index": base.id, "version": version, "since": base.manifest.ds, "items": len(arrived)}


def _model_of(release: Release) -> tuple[int, str]:
    """The version that made the vectors of a release, and its digest."""
    told = release.manifest.built_from["models"][Model.TWO_TOWER]
    return int(told["version"]), str(told["digest"])


def _arrived(io: StepIO, night: str) -> pa.Array:
    """The items that may be shown, and that the night did not know as they are: their state was delivered since, or
    they have launched since."""
    since = days_before(night, -1)
    changed = (
        io.read(ITEMS, since=since, columns=["item_id"])["item_id"] if since <= io.ds else pa.array([], pa.string())
    )
    states = io.state(ITEMS)
    came = pc.or_(pc.is_in(states["item_id"], value_set=pc.unique(changed)), pc.invert(may_be_shown(states, night)))
    return states.filter(pc.and_(may_be_shown(states, io.ds), came))["item_id"].combine_chunks().sort()


def _vectors(io: StepIO, night: str, number: int, items: IdMap) -> np.ndarray:
    versions = Versions.of(io.settings)
    model = read(versions.fetch(versions.get(Model.TWO_TOWER, number)))
    encoded = model.encoders.items.encode(items_since(io, night, items))
    return model.items_tower(encoded, placed(model.ids, items.rows(model.items.ids), len(items)))
