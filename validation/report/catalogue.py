"""What lists are made of, as a night knew it: items by title and category, people by what they told of themselves; and
which of them may be shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from daybreak.item_states import may_be_shown

NO_CATEGORY = "no category"


@dataclass(frozen=True)
class Item:
    """What a person reads of an item."""

    title: str
    category: str


@dataclass(frozen=True)
class Catalogue:
    """One row per item: `item_id`, `title`, `category`; and the ids of those that may be shown."""

    items: pa.Table
    shown: pa.Array

    def category_of(self, ids: pa.ChunkedArray) -> pa.Array | pa.ChunkedArray:
        """The category of each id; one name for all that have none."""
        places = pc.index_in(ids, value_set=self.items["item_id"].combine_chunks())
        return pc.fill_null(self.items["category"].take(places), NO_CATEGORY)

    def named(self, ids: pa.Array | pa.ChunkedArray) -> Mapping[str, Item]:
        """The items among `ids` that the catalogue knows."""
        rows = self.items.filter(pc.is_in(self.items["item_id"], value_set=_flat(ids))).to_pylist()
        return {row["item_id"]: Item(row["title"], row["category"] or NO_CATEGORY) for row in rows}


def catalogue(states: pa.Table, wanted: pa.ChunkedArray, ds: str) -> Catalogue:
    """The items by the newest state of each; without any, the items that were wanted, without titles."""
    if not states.num_rows:
        ids = pc.unique(wanted)
        nothing = pa.nulls(len(ids), pa.string())
        return Catalogue(pa.table({"item_id": ids, "title": ids, "category": nothing}), ids)
    shown = states.filter(may_be_shown(states, ds))["item_id"]
    return Catalogue(states.select(["item_id", "title", "category"]), _flat(shown))


def people(states: pa.Table) -> Catalogue:
    """People by their newest state: by id, school, employer and country, told apart by segment."""
    told = [pc.fill_null(states[name], "") for name in ("school", "company", "country")]
    names = pc.binary_join_element_wise(states["user_id"], *told, " · ")
    names = pc.replace_substring_regex(names, r"( · )+$", "")
    rows = pa.table(
        {
            "item_id": states["user_id"],
            "title": pc.replace_substring_regex(names, r"( · ){2,}", " · "),
            "category": states["segment"],
        }
    )
    return Catalogue(rows, _flat(states.filter(pc.equal(states["status"], "active"))["user_id"]))


def _flat(values: pa.Array | pa.ChunkedArray) -> pa.Array:
    return values.combine_chunks() if isinstance(values, pa.ChunkedArray) else values
