"""What the champions list tonight, in `candidates/gnn` and `candidates/two_tower`: for each user, and beside each item;
and in `candidates/people`, for each user, who may be tied to the user next.

Asks the registry which version of each model serves this night, and scores every item that may be shown, exactly, in
blocks. A model that has no champion yet lists nothing, which the summary says; one that cannot be loaded stops the
night, and what was live stays live. `training/champions` keeps who listed. A second run of a night lists the same,
unless the alias champion has moved.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import Field

from daybreak.datasets import ITEMS, USERS
from daybreak.errors import InputError
from daybreak.features.partials import PAIR_DAYS
from daybreak.features.services import TWO_TOWER
from daybreak.item_states import may_be_shown
from daybreak.lake.schemas import data_schema
from daybreak.learning import CHAMPIONS, ID_ROWS, ITEM, LISTED, PEOPLE_CANDIDATES, USER, Model
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from training.data.ids import IdMap, Ints, id_map
from training.data.nights import features_at, nights_with_features
from training.data.ties import ties_of
from training.data.wants import number_of, wants_of
from training.evaluation.ranking import NO_ITEM, Sets
from training.evaluation.top_k import top_k
from training.people_lists import people_listed
from training.registry.catalogue import Version
from training.registry.loaders import servable
from training.registry.reigns import BECAUSE_TAG
from training.registry.versions import Versions
from training.retrieval import NEVER, NightView, Retriever, Scorer, view_at

DIGITS = 6


class CandidatesConfig(StepConfig):
    """How much is listed, and how much is worked on at once."""

    history_days: int = Field(90, ge=7, description="days of wants that say what a user is given")
    a_user: int = Field(150, ge=1, description="items listed for a user")
    an_item: int = Field(60, ge=1, description="items listed beside an item")
    people: int = Field(60, ge=1, description="people listed for a user")
    block: int = Field(512, ge=1, description="users or items worked on at once")


def run(config: CandidatesConfig, io: StepIO) -> Summary:
    """Lists by every model that has a champion."""
    versions = Versions.of(io.settings)
    champions = {model: versions.champion(model, config.ds) for model in LISTED}
    view = _view(config, io, with_features=champions[Model.TWO_TOWER] is not None) if any(champions.values()) else None
    listed = {model: data_schema(LISTED[model]).empty_table() for model in champions}
    summary: Summary = {}
    for model, champion in champions.items():
        if champion is not None and view is not None:
            retriever: Retriever = servable(versions.fetch(champion))  # type: ignore[assignment]
            listed[model] = _listed(config, io, retriever.at(view), view, champion.number)
        summary[f"{model}_version"] = champion.number if champion else "no champion yet"
        summary[f"{model}_rows"] = listed[model].num_rows
    people = versions.champion(Model.PEOPLE, config.ds)
    whom = _people(config, io, versions, people)
    summary |= {"people_version": people.number if people else "no champion yet", "people_rows": whom.num_rows}
    io.write(PEOPLE_CANDIDATES, whom)
    io.write(CHAMPIONS, _who({**champions, Model.PEOPLE: people}))
    for model, rows in listed.items():
        io.write(LISTED[model], rows)
    return summary


def _people(config: CandidatesConfig, io: StepIO, versions: Versions, champion: Version | None) -> pa.Table:
    """Whom the champion of people lists, for every active user."""
    if champion is None:
        return data_schema(PEOPLE_CANDIDATES).empty_table()
    io.require(ID_ROWS)
    users = id_map(io, USER)
    ties, night = ties_of(io, users), number_of(config.ds)
    model: Retriever = servable(versions.fetch(champion))  # type: ignore[assignment]
    scorer = model.at(view_at(night, ties.between, users, users))
    active = _active_users(io, users)
    return people_listed(scorer, ties, users, active, night, config.people, config.block, champion.number)


def _view(config: CandidatesConfig, io: StepIO, *, with_features: bool) -> NightView:
    io.require(ID_ROWS)
    io.require(PAIR_DAYS)
    if with_features and not nights_with_features(io, TWO_TOWER, [config.ds]):
        raise InputError(
            f"the towers list from the features of the night, but {config.ds} lacks views of the service two_tower;"
            " run the jobs that make them first (`daybreak features`)"
        )
    users, items = id_map(io, USER), id_map(io, ITEM)
    wants = wants_of(io, users, items, config.history_days)
    features = features_at(io, TWO_TOWER, config.ds, users, items) if with_features else None
    return view_at(number_of(config.ds), wants, users, items, features)


def _who(champions: Mapping[Model, Version | None]) -> pa.Table:
    rows = [
        {
            "model": model.value,
            "version": champion.number,
            "digest": champion.digest,
            "trained_until": champion.trained_until,
            "because": champion.tags.get(BECAUSE_TAG, champion.why),
        }
        for model, champion in champions.items()
        if champion
    ]
    return pa.Table.from_pylist(rows, schema=data_schema(CHAMPIONS))


def _listed(config: CandidatesConfig, io: StepIO, scorer: Scorer, view: NightView, version: int) -> pa.Table:
    users, items = _active_users(io, view.users), _shown_items(io, view.items)
    hidden = np.setdiff1d(np.arange(len(view.items)), items)
    blocks = [
        *_blocks(scorer, view, USER, users, hidden, config.a_user, config.block),
        *_blocks(scorer, view, ITEM, items, hidden, config.an_item, config.block),
    ]
    if not blocks:
        return data_schema(LISTED[Model.GNN]).empty_table()
    table = pa.concat_tables(blocks)
    return table.append_column("version", pa.array([version] * table.num_rows, pa.int32()))


def _blocks(
    scorer: Scorer, view: NightView, query: str, queries: Ints, hidden: Ints, length: int, size: int
) -> Iterator[pa.Table]:
    ids, score = (view.users, scorer.for_users) if query == USER else (view.items, scorer.for_items)
    for start in range(0, len(queries), size):
        block = queries[start : start + size]
        scores = score(block)
        scores[:, hidden] = NEVER
        itself = (
            Sets(np.arange(len(block) + 1), block) if query == ITEM else Sets(np.zeros(len(block) + 1, int), block[:0])
        )
        lists = top_k(scores, itself, length)
        rows, ranks = np.nonzero(lists != NO_ITEM)
        found = lists[rows, ranks]
        yield pa.table(
            {
                "query": pa.array([query] * len(rows), pa.string()),
                "query_id": ids.of(block[rows]),
                "rank": pa.array(ranks, pa.int32()),
                "item_id": view.items.of(found),
                "score": np.round(scores[rows, found].astype(np.float64), DIGITS),
            }
        )


def _active_users(io: StepIO, users: IdMap) -> Ints:
    """All who are known, and not deactivated."""
    states = io.state(USERS)
    gone = users.rows(states.filter(pc.field("status") != "active")["user_id"])
    return np.setdiff1d(np.arange(len(users)), gone)


def _shown_items(io: StepIO, items: IdMap) -> Ints:
    """The items that may be shown at the end of the day; all items where there is no catalogue."""
    states = io.state(ITEMS)
    if not states.num_rows:
        return np.arange(len(items))
    shown = items.rows(states.filter(may_be_shown(states, io.ds))["item_id"])
    return np.unique(shown[shown >= 0])
