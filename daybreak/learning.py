"""What is learned, and the tables that learning writes: numbers of ids, decisions to train, what models would list."""

from __future__ import annotations

from enum import StrEnum

from daybreak.contracts import SHARE, Between, Column, ColumnType, Dataset, OneOf

STRING, INT32, INT64 = ColumnType.STRING, ColumnType.INT32, ColumnType.INT64
FLOAT64, BOOL = ColumnType.FLOAT64, ColumnType.BOOL

RANKERS = "rankers"
"""The channel of releases that hold the rankers of nights, for those who rank without the registry."""
TRAINING_POOL = "training"
"""Airflow's pool of what trains: one task at a time."""


class Model(StrEnum):
    """The models of the registry, by the name they have there."""

    GNN = "gnn"
    TWO_TOWER = "two_tower"
    RANKER = "ranker"
    PEOPLE = "people"


USER, ITEM = "user", "item"
ENTITIES = (USER, ITEM)

ID_ROWS = Dataset(
    name="training/id_rows",
    doc="Users and items in the order in which nights met them: an id keeps its row, new ones are appended.",
    columns=(
        Column("entity", STRING, "what the id names", rules=(OneOf(ENTITIES),)),
        Column("number", INT64, "its place among the ids first met on this night, from 0", rules=(Between(0),)),
        Column("entity_id", STRING, "the id"),
    ),
    key=("entity", "number"),
)

DECISIONS = Dataset(
    name="training/decisions",
    doc="Whether a model is trained on a night, and on what evidence.",
    columns=(
        Column("model", STRING, "the model", rules=(OneOf(tuple(Model)),)),
        Column("train", BOOL, "whether it is trained"),
        Column("because", STRING, "the evidence, in words"),
    ),
    key=("model",),
)

QUALITY = Dataset(
    name="training/quality",
    doc="How well what a model listed the night before met what users then wanted.",
    columns=(
        Column("model", STRING, "the model", rules=(OneOf((Model.GNN, Model.TWO_TOWER)),)),
        Column("version", INT32, "its version"),
        Column("users", INT64, "users with a list who wanted something new", rules=(Between(0),)),
        Column("ndcg_at_20", FLOAT64, "mean NDCG of their first 20 entries", rules=SHARE),
        Column("low", FLOAT64, "lower end of its 95% interval"),
        Column("high", FLOAT64, "upper end of its 95% interval"),
    ),
    key=("model",),
)

CHAMPIONS = Dataset(
    name="training/champions",
    doc="Which version of each model serves a night: makes its candidates, or ranks them.",
    columns=(
        Column("model", STRING, "the model", rules=(OneOf(tuple(Model)),)),
        Column("version", INT32, "its version in the registry", rules=(Between(1),)),
        Column("digest", STRING, "what tells the model from any other, byte by byte"),
        Column("trained_until", STRING, "the last day that it has seen"),
        Column("because", STRING, "why it is the champion"),
        Column("release", STRING, "the release that holds it, for those who rank by it; else null", nullable=True),
    ),
    key=("model",),
)


VERSION = Column("version", INT32, "the version of the model", rules=(Between(1),))


def _candidates(name: str, doc: str, *more: Column) -> Dataset:
    return Dataset(
        name=f"candidates/{name}",
        doc=doc,
        columns=(
            Column("query", STRING, "what the list is for", rules=(OneOf(ENTITIES),)),
            Column("query_id", STRING, "for whom, or beside what"),
            Column("rank", INT32, "the place, from 0", rules=(Between(0),)),
            Column("item_id", STRING, "the item"),
            Column("score", FLOAT64, "what the model gives it"),
            *more,
        ),
        key=("query", "query_id", "rank"),
    )


GNN_CANDIDATES = _candidates(Model.GNN, "What the champion teacher lists for each user and beside each item.", VERSION)
TOWER_CANDIDATES = _candidates(
    Model.TWO_TOWER, "What the champion towers list for each user and beside each item.", VERSION
)
EASE_CANDIDATES = _candidates("ease", "What EASE, fitted anew on this night, lists for each user and beside each item.")
PEOPLE_CANDIDATES = Dataset(
    name=f"candidates/{Model.PEOPLE}",
    doc="Whom the champion of people lists for each user: nobody the user is tied to, nobody blocked either way.",
    columns=(
        Column("user_id", STRING, "for whom"),
        Column("rank", INT32, "the place, from 0", rules=(Between(0),)),
        Column("candidate_id", STRING, "who is listed"),
        Column("score", FLOAT64, "what the model gives it"),
        VERSION,
    ),
    key=("user_id", "rank"),
)
TIE_ORDER = Dataset(
    name="training/tie_order",
    doc="What each measure of two people weighs in telling who is tied to whom next, learned from earlier nights.",
    columns=(
        Column("measure", STRING, "the measure"),
        Column("says", STRING, "what it says of the two"),
        Column("weight", FLOAT64, "what it weighs"),
        Column("users", INT64, "users whose new ties were learned from", rules=(Between(0),)),
        Column("nights", INT64, "nights whose candidates were learned from", rules=(Between(0),)),
    ),
    key=("measure",),
)
LEARNED = (
    ID_ROWS,
    DECISIONS,
    QUALITY,
    CHAMPIONS,
    GNN_CANDIDATES,
    TOWER_CANDIDATES,
    EASE_CANDIDATES,
    PEOPLE_CANDIDATES,
    TIE_ORDER,
)
LISTED = {Model.GNN: GNN_CANDIDATES, Model.TWO_TOWER: TOWER_CANDIDATES}
"""The models that list items, and where."""
