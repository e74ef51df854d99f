"""Vectors of users and items: the tables they are kept in. `daybreak.vectors` puts the vectors of a night together.

The product of a user's vector and an item's is what the model gives the item to the user. The last place of an item's
vector is how much everybody wants it, and of a user's vector it is 1: without that place vectors are directions, whose
angle says how alike two things are.

A night writes the vectors that it made. Those of a night are the newest of each id since the last night that made all
of them, which `embeddings/runs` names; all of them are of one version of the model.
"""

from __future__ import annotations

from daybreak.contracts import Between, Column, ColumnType, Dataset, OneOf
from daybreak.learning import ENTITIES, Model

STRING, INT32, INT64 = ColumnType.STRING, ColumnType.INT32, ColumnType.INT64
FLOAT64, BOOL, VECTOR = ColumnType.FLOAT64, ColumnType.BOOL, ColumnType.VECTOR
_MODEL = Column("model", STRING, "the model that made them", rules=(OneOf((Model.TWO_TOWER,)),))
_VERSION = Column("version", INT32, "its version in the registry", rules=(Between(1),))
_DIGEST = Column("digest", STRING, "what tells the model from any other, byte by byte")

EMBEDDINGS = Dataset(
    name="embeddings/vectors",
    doc="The vectors that a night made: of whoever's inputs had changed, or of everybody.",
    columns=(
        _VERSION,
        Column("entity", STRING, "what the id names", rules=(OneOf(ENTITIES),)),
        Column("entity_id", STRING, "whose vector it is"),
        Column("inputs", INT64, "a fingerprint of what it was made from"),
        Column("vector", VECTOR, "the vector; its last place is a bias"),
    ),
    key=("entity", "entity_id"),
)

EMBEDDING_RUNS = Dataset(
    name="embeddings/runs",
    doc="Which model's vectors a night stands on, and since which night they were all made.",
    columns=(
        _MODEL,
        _VERSION,
        _DIGEST,
        Column("since", STRING, "the night that last made the vectors of everybody"),
        Column("users", INT64, "users that have a vector", rules=(Between(0),)),
        Column("items", INT64, "items that have a vector", rules=(Between(0),)),
        Column("made", INT64, "vectors that this night made", rules=(Between(0),)),
        Column("gap", FLOAT64, "how far vectors that were kept lay from those made anew, at most", nullable=True),
    ),
    key=("model",),
)

ARRIVALS = Dataset(
    name="embeddings/arrivals",
    doc="Vectors of the items that came or changed since the last night, by the version that the live index is of.",
    columns=(
        _VERSION,
        _DIGEST,
        Column("night", STRING, "the release of the night that they are added to"),
        Column("item_id", STRING, "the item"),
        Column("vector", VECTOR, "the vector; its last place is a bias"),
    ),
    key=("item_id",),
)

EMBEDDED = (EMBEDDINGS, EMBEDDING_RUNS, ARRIVALS)
