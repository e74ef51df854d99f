"""Every dataset of the lake, declared once. `daybreak tables --contracts` prints this page."""

from __future__ import annotations

from daybreak.candidates import COUNTED
from daybreak.contracts import (
    DS,
    LANDED_DS,
    Arrives,
    Between,
    Column,
    ColumnType,
    Dataset,
    Delivery,
    Matches,
    MaxLength,
    OneOf,
)
from daybreak.embeddings import EMBEDDED
from daybreak.errors import InputError
from daybreak.features.online import MATERIALIZED, SKEW
from daybreak.features.partials import PARTIALS
from daybreak.features.statistics import FEATURE_STATS
from daybreak.features.text_basis import TEXT_BASIS
from daybreak.features.training import RANKER_ROWS
from daybreak.features.views import VIEWS
from daybreak.indexes import INDEXED
from daybreak.learning import LEARNED

STRING, INT32, INT64 = ColumnType.STRING, ColumnType.INT32, ColumnType.INT64
FLOAT64, BOOL, TIMESTAMP = ColumnType.FLOAT64, ColumnType.BOOL, ColumnType.TIMESTAMP

LATE_DAYS = 3
INK = r"[^ \t-\r]"
ID_RULES = (MaxLength(256), Matches(rf"{INK}(?:.*{INK})?", "of one line, with no white space at its ends"))
COUNTRY = Matches(r"[A-Z]{2}")
_NUMBER = r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?"
NUMBERS = Matches(rf"\[?{_NUMBER}((, ?| ){_NUMBER})*\]?", "numbers, a space or a comma between")
DEVICES = OneOf(("web", "ios", "android", "tv", "other"))
STATUS = OneOf(("active", "deactivated"))
EVENT_TYPES = ("impression", "view", "cart", "purchase", "rating", "dismiss")
EDGE_TYPES = ("friend", "follow", "block", "contact", "dismiss")


def _id(name: str, doc: str) -> Column:
    return Column(name, STRING, doc, rules=ID_RULES)


def _text(name: str, doc: str, longest: int = 256) -> Column:
    return Column(name, STRING, doc, nullable=True, rules=(MaxLength(longest),))


EVENTS = Dataset(
    name="raw/events",
    doc="What users did: one row per event, in the day it happened on, with the day that delivered it.",
    columns=(
        _id("event_id", "identifies the event; a second row with the same id and contents is a duplicate"),
        Column("event_ts", TIMESTAMP, "when it happened, UTC", rules=(Arrives(late_days=LATE_DAYS),)),
        _id("user_id", "who did it"),
        _id("item_id", "to which item"),
        Column("event_type", STRING, "what happened", rules=(OneOf(EVENT_TYPES),)),
        _text("session_id", "the visit it belongs to"),
        _text("surface", "the shelf it happened on"),
        Column("position", INT32, "the place in the shelf, from 0", nullable=True, rules=(Between(0, 10_000),)),
        Column("price", FLOAT64, "what was paid, on a purchase", nullable=True, rules=(Between(0, 1e9),)),
        Column("rating", FLOAT64, "the rating given", nullable=True, rules=(Between(0, 10),)),
        Column("dwell_s", FLOAT64, "seconds spent on a view", nullable=True, rules=(Between(0, 86_400),)),
        Column("device", STRING, "the device used", nullable=True, rules=(DEVICES,)),
    ),
    key=("event_id",),
    partition=(DS, LANDED_DS),
    delivery=Delivery(required=True, time_column="event_ts", by_event_day=True),
)

USERS = Dataset(
    name="raw/users",
    doc="New and changed users of a day. A user's state on a day is the newest row up to it.",
    columns=(
        _id("user_id", "identifies the user"),
        Column("updated_ts", TIMESTAMP, "when this state began, UTC", rules=(Arrives(),)),
        Column("signup_ts", TIMESTAMP, "when the user joined, UTC", nullable=True, rules=(Arrives(),)),
        Column("country", STRING, "two-letter country code", nullable=True, rules=(COUNTRY,)),
        Column("device", STRING, "the device used most", nullable=True, rules=(DEVICES,)),
        _text("company", "employer"),
        _text("school", "school"),
        _text("segment", "a coarse group for fallbacks, such as an age band or occupation"),
        Column("status", STRING, "whether lists are made for the user", rules=(STATUS,)),
    ),
    key=("user_id",),
    delivery=Delivery(required=False, time_column="updated_ts"),
)

ITEMS = Dataset(
    name="raw/items",
    doc="New and changed items of a day. An item's state on a day is the newest row up to it.",
    columns=(
        _id("item_id", "identifies the item"),
        Column("updated_ts", TIMESTAMP, "when this state began, UTC", rules=(Arrives(),)),
        Column("title", STRING, "what people read", rules=(MaxLength(1_000),)),
        _text("category", "main category"),
        _text("brand", "brand or maker"),
        _text("description", "free text", longest=20_000),
        Column("price", FLOAT64, "list price", nullable=True, rules=(Between(0, 1e9),)),
        _text("variant_of", "the product that it is one form of, such as its size or colour; forms name the same one"),
        Column("in_stock", BOOL, "whether it can be had now; null where that is not told", nullable=True),
        Column(
            "regions",
            STRING,
            "countries it may be shown in, separated by spaces; null for everywhere",
            nullable=True,
            rules=(MaxLength(1_000), Matches(r"[A-Z]{2}( [A-Z]{2})*", "two-letter country codes, a space between")),
        ),
        Column(
            "image_vector",
            STRING,
            "how it looks: what a model of pictures gives, as many numbers for every item: `0.1 -0.2` or `[0.1, -0.2]`",
            nullable=True,
            rules=(MaxLength(100_000), NUMBERS),
            bulky=True,
        ),
        Column("launched_ts", TIMESTAMP, "when it could first be shown, UTC", nullable=True),
        Column("retired_ts", TIMESTAMP, "when it can no longer be shown, UTC", nullable=True),
        Column("status", STRING, "whether it may be shown", rules=(STATUS,)),
    ),
    key=("item_id",),
    delivery=Delivery(required=False, time_column="updated_ts"),
)

EDGES = Dataset(
    name="raw/edges",
    doc="New and changed ties between users of a day. A tie's state on a day is the newest row up to it.",
    columns=(
        _id("src_user_id", "who made the tie"),
        _id("dst_user_id", "with whom"),
        Column("edge_type", STRING, "what kind of tie", rules=(OneOf(EDGE_TYPES),)),
        Column("updated_ts", TIMESTAMP, "when this state began, UTC", rules=(Arrives(),)),
        Column("status", STRING, "whether the tie holds", rules=(STATUS,)),
    ),
    key=("src_user_id", "dst_user_id", "edge_type"),
    delivery=Delivery(required=False, time_column="updated_ts"),
)

DELIVERED = (EVENTS, USERS, ITEMS, EDGES)

QUARANTINE = Dataset(
    name="quarantine/rows",
    doc="Every row that was refused, whole, with each rule it broke and where it stood.",
    columns=(
        Column("dataset", STRING, "the dataset it was delivered for"),
        Column("file", STRING, "the file it came in, below the landing folder"),
        Column("line", INT64, "its line in that file, from 1"),
        Column("rules", STRING, "the rules it broke, separated by spaces"),
        Column("row", STRING, "the row as it was delivered"),
    ),
    key=("dataset", "file", "line"),
)

LANDINGS = Dataset(
    name="raw/landings",
    doc="The ledger of landing: for each delivery, what came in and what became of it.",
    columns=(
        Column("dataset", STRING, "the dataset delivered"),
        Column("event_day", STRING, "the day the rows belong to; other than the delivery's day, that day changed"),
        Column("accepted", INT64, "rows accepted into that day", rules=(Between(0),)),
    ),
    key=("dataset", "event_day"),
)

DELIVERIES = Dataset(
    name="raw/deliveries",
    doc="The account of each delivery: rows in = accepted + quarantined + duplicates.",
    columns=(
        Column("dataset", STRING, "the dataset delivered"),
        Column("files", INT32, "files read", rules=(Between(0),)),
        Column("rows_in", INT64, "rows delivered", rules=(Between(0),)),
        Column("accepted", INT64, "rows accepted", rules=(Between(0),)),
        Column("quarantined", INT64, "rows refused by the contract", rules=(Between(0),)),
        Column("duplicates", INT64, "rows already landed", rules=(Between(0),)),
        Column("late", INT64, "rows accepted into an earlier day", rules=(Between(0),)),
    ),
    key=("dataset",),
)

AUDITS = Dataset(
    name="validation/audits",
    doc="What Great Expectations found in the rows that were accepted.",
    columns=(
        Column("dataset", STRING, "the dataset audited"),
        Column("expectation", STRING, "the expectation checked"),
        Column("column", STRING, "the column it is about, null where it is about the whole dataset", nullable=True),
        Column("severity", STRING, "what a failure does", rules=(OneOf(("stop", "warn")),)),
        Column("passed", BOOL, "whether it held"),
        Column("checked", INT64, "rows looked at", rules=(Between(0),)),
        Column("unexpected", INT64, "rows that broke it", rules=(Between(0),)),
        Column("detail", STRING, "the expectation in words"),
    ),
    key=("dataset", "expectation", "column"),
)

AUDIENCES = ("query", "segment", "everyone")
LISTS = Dataset(
    name="serving/lists",
    doc="The lists of the night: for each surface, for each query, segment and for everyone, candidates in order.",
    columns=(
        Column("surface", STRING, "the shelf"),
        Column("audience", STRING, "whom the list is for: one query, or, where that has none, its segment or everyone",
               rules=(OneOf(AUDIENCES),)),
        Column("query_id", STRING, "for whom or beside what, or which segment; empty for everyone"),
        Column("rank", INT32, "the place in the list, from 0; those past the shelf's length wait behind",
               rules=(Between(0),)),
        Column("candidate_id", STRING, "what is recommended"),
        Column("score", FLOAT64, "what showing it is worth, comparable within a list"),
        Column("source", STRING, "the source that contributed most"),
        Column("sources", STRING, "every source that proposed it, joined by +"),
        Column("reason", STRING, "why it is there, in words for people"),
        Column("chance", FLOAT64, "the chance that it was drawn for this place; null where nothing was drawn",
               nullable=True, rules=(Between(0, 1),)),
        Column("made", STRING, "the night that made the list; an earlier one where nothing has changed since"),
    ),
    key=("surface", "audience", "query_id", "rank"),
)  # fmt: skip

SHELVES = Dataset(
    name="serving/shelves",
    doc="How the lists of a night were made: all anew, or only those of queries of which something was heard.",
    columns=(
        Column("surface", STRING, "the shelf"),
        Column("recipe", STRING, "the digest of how the shelf is declared"),
        Column("models", STRING, "the versions that list or rank for it"),
        Column("made", INT64, "lists made on this night", rules=(Between(0),)),
        Column("kept", INT64, "lists kept from the night before", rules=(Between(0),)),
        Column("alike", FLOAT64, "entries that kept lists share with what they would be now, on a sample",
               nullable=True, rules=(Between(0, 1),)),
    ),
    key=("surface",),
)  # fmt: skip

GATES = Dataset(
    name="serving/gates",
    doc="The verdict on the night's lists, gate by gate.",
    columns=(
        Column("surface", STRING, "the shelf"),
        Column("segment", STRING, "of which queries: a segment of users or a category of items; empty for all"),
        Column("gate", STRING, "what was measured"),
        Column("value", FLOAT64, "what it came to"),
        Column("before", FLOAT64, "what it came to on the night compared with, where there is one", nullable=True),
        Column("bound", STRING, "what it had to keep, such as >= 0.95"),
        Column("passed", BOOL, "whether it held"),
        Column("absolute", BOOL, "whether nobody may override it"),
        Column("detail", STRING, "examples, where it did not hold"),
        Column("lists_digest", STRING, "the digest of the lists that were judged"),
    ),
    key=("surface", "segment", "gate"),
)

OVERRIDES = Dataset(
    name="serving/overrides",
    doc="Gates that a person let pass for the lists of a night, and why.",
    columns=(
        Column("surface", STRING, "the shelf"),
        Column("gate", STRING, "the gate, in all segments"),
        Column("reason", STRING, "why the lists may go live all the same"),
        Column("lists_digest", STRING, "the digest of the lists that this is about; other lists are judged anew"),
    ),
    key=("surface", "gate"),
)

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        *DELIVERED,
        QUARANTINE,
        LANDINGS,
        DELIVERIES,
        AUDITS,
        *PARTIALS,
        *(view.dataset for view in VIEWS.values()),
        RANKER_ROWS,
        TEXT_BASIS,
        MATERIALIZED,
        SKEW,
        FEATURE_STATS,
        *COUNTED,
        *LEARNED,
        *EMBEDDED,
        *INDEXED,
        LISTS,
        SHELVES,
        GATES,
        OVERRIDES,
    )
}


def dataset_named(name: str) -> Dataset:
    """The dataset of that name; the last part alone is enough where it is unmistakable."""
    if name in DATASETS:
        return DATASETS[name]
    matches = [dataset for dataset in DATASETS.values() if dataset.short_name == name]
    if len(matches) == 1:
        return matches[0]
    raise InputError(f"no dataset is called '{name}'; there are: {', '.join(sorted(DATASETS))}")
