"""Who is champion tonight, in `training/champions`; and what those champions list that have no vectors: the teacher in
`candidates/gnn`, for each user and beside each item, and the model of people in `candidates/people`, for each user. The
champion ranker is put into a release of its own, for those who make lists.

Asks the registry which version of each model serves this night, and scores every item that may be shown, exactly, in
blocks. A model that has no champion yet lists nothing, which the summary says; one that cannot be loaded stops the
night, and what was live stays live. The towers' champion lists by its vectors, through the index of the night. A second
run of a night lists the same, unless the alias champion has moved.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
from pydantic import Field

from daybreak.lake.schemas import data_schema
from daybreak.learning import CHAMPIONS, GNN_CANDIDATES, ID_ROWS, PEOPLE_CANDIDATES, USER, Model
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from training.data.ids import id_map
from training.data.ties import ties_of
from training.data.wants import number_of
from training.listing import Listing
from training.night_view import active_users, night_view
from training.people_lists import people_listed
from training.registry.catalogue import Version
from training.registry.loaders import servable
from training.registry.reigns import BECAUSE_TAG
from training.registry.versions import Versions
from training.retrieval import Retriever, view_at
from training.served_ranker import ranker_released

SERVING = (Model.GNN, Model.TWO_TOWER, Model.RANKER, Model.PEOPLE)
"""The models whose champions serve a night: they list, each in its own way, or rank what is listed."""


class CandidatesConfig(StepConfig):
    """How much is listed, and how much is worked on at once."""

    history_days: int = Field(90, ge=7, description="days of wants that say what a user is given")
    a_user: int = Field(150, ge=1, description="items listed for a user")
    an_item: int = Field(60, ge=1, description="items listed beside an item")
    people: int = Field(60, ge=1, description="people listed for a user")
    block: int = Field(512, ge=1, description="users or items worked on at once")


def run(config: CandidatesConfig, io: StepIO) -> Summary:
    """Notes the champions, and lists by the teacher and by the model of people."""
    versions = Versions.of(io.settings)
    champions = {model: versions.champion(model, config.ds) for model in SERVING}
    listed = _by_teacher(config, io, versions, champions[Model.GNN])
    whom = _people(config, io, versions, champions[Model.PEOPLE])
    io.write(PEOPLE_CANDIDATES, whom)
    ranker = ranker_released(io, versions, champions[Model.RANKER])
    io.write(CHAMPIONS, _who(champions, {Model.RANKER: ranker}))
    io.write(GNN_CANDIDATES, listed)
    told = {f"{model}_version": each.number if each else "no champion yet" for model, each in champions.items()}
    return {**told, "gnn_rows": listed.num_rows, "people_rows": whom.num_rows}


def _by_teacher(config: CandidatesConfig, io: StepIO, versions: Versions, champion: Version | None) -> pa.Table:
    if champion is None:
        return data_schema(GNN_CANDIDATES).empty_table()
    view = night_view(io, config.history_days, with_features=False)
    teacher: Retriever = servable(versions.fetch(champion))  # type: ignore[assignment]
    rows = Listing(config.a_user, config.an_item, config.block).listed(io, teacher.at(view), view)
    return rows.append_column("version", pa.array([champion.number] * rows.num_rows, pa.int32()))


def _people(config: CandidatesConfig, io: StepIO, versions: Versions, champion: Version | None) -> pa.Table:
    """Whom the champion of people lists, for every active user."""
    if champion is None:
        return data_schema(PEOPLE_CANDIDATES).empty_table()
    io.require(ID_ROWS)
    users = id_map(io, USER)
    ties, night = ties_of(io, users), number_of(config.ds)
    model: Retriever = servable(versions.fetch(champion))  # type: ignore[assignment]
    scorer = model.at(view_at(night, ties.between, users, users))
    active = active_users(io, users)
    return people_listed(scorer, ties, users, active, night, config.people, config.block, champion.number)


def _who(champions: Mapping[Model, Version | None], releases: Mapping[Model, str | None]) -> pa.Table:
    rows = [
        {
            "model": model.value,
            "version": champion.number,
            "digest": champion.digest,
            "trained_until": champion.trained_until,
            "because": champion.tags.get(BECAUSE_TAG, champion.why),
            "release": releases.get(model),
        }
        for model, champion in champions.items()
        if champion
    ]
    return pa.Table.from_pylist(rows, schema=data_schema(CHAMPIONS))
