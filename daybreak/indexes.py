"""What is kept of the indexes of nights: which release a night made, and what its gates said."""

from __future__ import annotations

from daybreak.contracts import Between, Column, ColumnType, Dataset

STRING, INT32, INT64 = ColumnType.STRING, ColumnType.INT32, ColumnType.INT64
FLOAT64, BOOL = ColumnType.FLOAT64, ColumnType.BOOL

CHANNEL = "index"
"""The channel that releases of the index are published on."""

INDEX_BUILDS = Dataset(
    name="indexing/builds",
    doc="The release of the index that a night made, and the version whose vectors are in it.",
    columns=(
        Column("model", STRING, "the model of its vectors"),
        Column("version", INT32, "its version in the registry", rules=(Between(1),)),
        Column("release", STRING, "the release"),
        Column("items", INT64, "items in it", rules=(Between(0),)),
        Column("users", INT64, "users in it", rules=(Between(0),)),
    ),
    key=("model",),
)

INDEX_GATES = Dataset(
    name="indexing/gates",
    doc="The verdict on the night's index, gate by gate.",
    columns=(
        Column("space", STRING, "what is searched: items for users, items beside items, or both"),
        Column("gate", STRING, "what was measured"),
        Column("value", FLOAT64, "what it came to"),
        Column("bound", STRING, "what it had to keep, such as >= 0.95"),
        Column("passed", BOOL, "whether it held"),
        Column("detail", STRING, "examples, where it did not hold"),
        Column("release", STRING, "the release that was judged"),
    ),
    key=("space", "gate"),
)

INDEXED = (INDEX_BUILDS, INDEX_GATES)
