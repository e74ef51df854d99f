"""Candidates that are counted rather than learned: the tables that the sources of lists take them from."""

from __future__ import annotations

from daybreak.contracts import AT_LEAST_0, Between, Column, ColumnType, Dataset

STRING, INT64, FLOAT64, BOOL = ColumnType.STRING, ColumnType.INT64, ColumnType.FLOAT64, ColumnType.BOOL

POPULARITY = Dataset(
    name="candidates/popularity",
    doc="Items by how much they are wanted: a smoothed, time-decayed count of weighted events.",
    columns=(
        Column("item_id", STRING, "the item"),
        Column("score", FLOAT64, "decayed weight of its events", rules=AT_LEAST_0),
        Column("events", INT64, "events counted", rules=AT_LEAST_0),
    ),
    key=("item_id",),
)

SEGMENTS = Dataset(
    name="candidates/segments",
    doc="Items by how much the users of a segment want them, beyond what everybody wants.",
    columns=(
        Column("segment", STRING, "the segment of the users"),
        Column("item_id", STRING, "the item"),
        Column("score", FLOAT64, "decayed weight of their events, drawn towards that of all users", rules=AT_LEAST_0),
        Column("events", INT64, "events counted", rules=AT_LEAST_0),
    ),
    key=("segment", "item_id"),
)

TRENDING = Dataset(
    name="candidates/trending",
    doc="Items by how much faster they are wanted now than before: a smoothed ratio of recent to usual rate.",
    columns=(
        Column("item_id", STRING, "the item"),
        Column("score", FLOAT64, "recent over usual rate, smoothed", rules=AT_LEAST_0),
        Column("events", INT64, "recent events counted", rules=AT_LEAST_0),
    ),
    key=("item_id",),
)


def _neighbours(name: str, doc: str, score: str) -> Dataset:
    return Dataset(
        name=f"candidates/{name}",
        doc=doc,
        columns=(
            Column("item_id", STRING, "the item"),
            Column("neighbour_id", STRING, "the item beside it"),
            Column("score", FLOAT64, score, rules=AT_LEAST_0),
            Column("users", INT64, "users who tie the two", rules=(Between(1),)),
        ),
        key=("item_id", "neighbour_id"),
    )


COOCCURRENCE = _neighbours(
    "cooccurrence", "For each item, the items that the same users also wanted, by smoothed cosine.", "smoothed cosine"
)
BM25 = _neighbours(
    "bm25",
    "For each item, the items that the same users also wanted, where users of few wants count more (BM25).",
    "product of the two items' BM25 weights",
)
CO_VIEW = _neighbours(
    "co_view", "For each item, the items that were looked at in the same visits, by smoothed cosine.", "smoothed cosine"
)
CO_PURCHASE = _neighbours(
    "co_purchase",
    "For each item, the items that the same users bought within days of it, by smoothed lift.",
    "smoothed lift",
)


def _alike(name: str, how: str) -> Dataset:
    return Dataset(
        name=f"candidates/{name}",
        doc=f"For each item, the items that {how}",
        columns=(
            Column("item_id", STRING, "the item"),
            Column("neighbour_id", STRING, "the item that is alike"),
            Column("score", FLOAT64, "cosine", rules=(Between(-1.001, 1.001),)),
        ),
        key=("item_id", "neighbour_id"),
    )


CONTENT = _alike("content", "are described alike, by the cosine of their text vectors.")
LOOKS = _alike("looks", "look alike, by the cosine of their image vectors.")

PEOPLE_PAIRS = Dataset(
    name="candidates/people_pairs",
    doc="For each user, users nearby in the social graph who are not tied to the user yet, and how near they are.",
    columns=(
        Column("user_id", STRING, "for whom"),
        Column("candidate_id", STRING, "who is near"),
        Column("common", INT64, "friends in common", rules=AT_LEAST_0),
        Column("adamic_adar", FLOAT64, "those in common, who know few counting more", rules=AT_LEAST_0),
        Column("allocation", FLOAT64, "the same, dealt out by each: resource allocation", rules=AT_LEAST_0),
        Column("walk", FLOAT64, "share of walks of two steps over recent ties that end there", rules=AT_LEAST_0),
        Column("pagerank", FLOAT64, "share of longer such walks, which start anew at the user", rules=AT_LEAST_0),
        Column("follow_pmi", FLOAT64, "how much more alike those they follow are than by chance", rules=AT_LEAST_0),
        Column("follows", BOOL, "whether the candidate follows the user already"),
        Column("contact", BOOL, "whether the user has the candidate among the contacts that the user uploaded"),
    ),
    key=("user_id", "candidate_id"),
)

LIVELY_PEOPLE = Dataset(
    name="candidates/lively_people",
    doc="How many ties users have, and how many of them are new: a tie counts the less, the more others came since.",
    columns=(
        Column("user_id", STRING, "the user"),
        Column("ties", FLOAT64, "all ties", rules=AT_LEAST_0),
        Column("lately", FLOAT64, "one counts half when 30% of all ties came since", rules=AT_LEAST_0),
        Column("these_days", FLOAT64, "one counts half when 8% of all ties came since", rules=AT_LEAST_0),
        Column("just_now", FLOAT64, "one counts half when 2% of all ties came since", rules=AT_LEAST_0),
    ),
    key=("user_id",),
)

COUNTED = (
    POPULARITY,
    SEGMENTS,
    TRENDING,
    COOCCURRENCE,
    BM25,
    CO_VIEW,
    CO_PURCHASE,
    CONTENT,
    LOOKS,
    PEOPLE_PAIRS,
    LIVELY_PEOPLE,
)
