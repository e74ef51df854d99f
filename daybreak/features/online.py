"""What is told of the online store: what each night put there, and whether lookups agree with the tables."""

from __future__ import annotations

from daybreak.contracts import AT_LEAST_0, Column, ColumnType, Dataset, OneOf

STRING, INT64, TIMESTAMP = ColumnType.STRING, ColumnType.INT64, ColumnType.TIMESTAMP
PROJECT = "daybreak"
"""The name under which Feast keeps the features, in its registry and in the online store."""

MATERIALIZED = Dataset(
    name="online/materialized",
    doc="What the night put into the online store, view by view.",
    columns=(
        Column("view", STRING, "the feature view"),
        Column("mode", STRING, "whether all was written, or the newest nights alone", rules=(OneOf(("full", "new")),)),
        Column("rows", INT64, "rows written", rules=AT_LEAST_0),
        Column("removed", INT64, "entities removed, because their last row is too old to count", rules=AT_LEAST_0),
        Column("entities", INT64, "entities that can be looked up", rules=AT_LEAST_0),
        Column("newest_event_ts", TIMESTAMP, "the moment up to which the view tells of its entities", nullable=True),
    ),
    key=("view",),
)

SKEW = Dataset(
    name="online/skew",
    doc="How many looked-up values of a sample were compared with the feature tables, and how many differed.",
    columns=(
        Column("service", STRING, "the feature service they were looked up through"),
        Column("view", STRING, "the feature view, or on_request for what is computed on request"),
        Column("checked", INT64, "values compared", rules=AT_LEAST_0),
        Column("different", INT64, "values that differed", rules=AT_LEAST_0),
    ),
    key=("service", "view"),
)
