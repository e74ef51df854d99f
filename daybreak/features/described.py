"""The features that describe users and items as they are: profile, catalogue, text, and place in the social graph."""

from __future__ import annotations

from datetime import timedelta

from daybreak.contracts import AT_LEAST_0, SHARE, ColumnType
from daybreak.features.declaration import NIGHTLY, Feature, FeatureView
from daybreak.features.entities import ITEM, USER

STRING, INT32, INT64 = ColumnType.STRING, ColumnType.INT32, ColumnType.INT64
FLOAT64, TIMESTAMP, VECTOR = ColumnType.FLOAT64, ColumnType.TIMESTAMP, ColumnType.VECTOR

USER_PROFILE = FeatureView(
    name="user_profile",
    doc="Who a user is, from the moment each state began.",
    entities=(USER,),
    features=(
        Feature("country", STRING, "two-letter country code"),
        Feature("device", STRING, "the device used most"),
        Feature("segment", STRING, "a coarse group, such as an age band or occupation"),
        Feature("company", STRING, "employer"),
        Feature("school", STRING, "school"),
        Feature("signup_ts", TIMESTAMP, "when the user joined"),
        Feature("status", STRING, "whether lists are made for the user"),
    ),
    made_by="jobs.user_profile",
    owner="recommendations",
    nightly=False,
)

ITEM_CATALOGUE = FeatureView(
    name="item_catalogue",
    doc="What an item is, from the moment each state began.",
    entities=(ITEM,),
    features=(
        Feature("category", STRING, "main category"),
        Feature("brand", STRING, "brand or maker"),
        Feature("price", FLOAT64, "list price", None, AT_LEAST_0),
        Feature("launched_ts", TIMESTAMP, "when it could first be shown"),
        Feature("status", STRING, "whether it may be shown"),
        Feature("title_words", INT32, "words of its title", None, AT_LEAST_0),
        Feature("description_words", INT32, "words of its description, 0 where it has none", None, AT_LEAST_0),
    ),
    made_by="jobs.item_catalogue",
    owner="recommendations",
    nightly=False,
)

ITEM_TEXT = FeatureView(
    name="item_text",
    doc="What an item's title and description say, as a vector of length 1, from the moment each state began.",
    entities=(ITEM,),
    features=(
        Feature("text_vector", VECTOR, "TF-IDF of its words in the directions of the fitted basis, or the encoder's"),
        Feature("text_space", STRING, "what made the vector, and its dimensions: vectors of one space can be compared"),
    ),
    made_by="jobs.item_text",
    owner="recommendations",
    nightly=False,
)

USER_GRAPH = FeatureView(
    name="user_graph",
    doc="A user's place among friends and followers.",
    entities=(USER,),
    features=(
        Feature("friends", INT64, "mutual ties", None, AT_LEAST_0),
        Feature("following", INT64, "users followed", None, AT_LEAST_0),
        Feature("followers", INT64, "users who follow", None, AT_LEAST_0),
        Feature("pagerank", FLOAT64, "PageRank over ties, so scaled that the mean of all users is 1", None, AT_LEAST_0),
        Feature(
            "clustering",
            FLOAT64,
            "share of the pairs of neighbours that are tied too; null for users with very many",
            None,
            SHARE,
        ),
    ),
    made_by="jobs.user_graph",
    owner="recommendations",
    fresh_within=NIGHTLY,
    ttl=timedelta(days=7),
)
