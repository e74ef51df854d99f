"""The basis of text vectors: which words count, how much, and in which direction each points."""

from __future__ import annotations

from daybreak.contracts import Between, Column, ColumnType, Dataset

TEXT_BASIS = Dataset(
    name="features/text_basis",
    doc="What turns words into a text vector: one row per word, in the night that fitted it; it serves until the next.",
    columns=(
        Column("term", ColumnType.STRING, "the word, in lower case"),
        Column("idf", ColumnType.FLOAT64, "how rare it is among items, and so how much it counts", rules=(Between(1),)),
        Column("direction", ColumnType.VECTOR, "where it points"),
    ),
    key=("term",),
)
