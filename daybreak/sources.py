"""Where candidates come from: the sources that a surface can name, what each reads, and what it says to people.

A new source is a name and a line here, and a builder in `serving_export/sources`.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from daybreak.candidates import (
    BM25,
    CO_PURCHASE,
    CO_VIEW,
    CONTENT,
    COOCCURRENCE,
    LIVELY_PEOPLE,
    LOOKS,
    PEOPLE_PAIRS,
    POPULARITY,
    SEGMENTS,
    TRENDING,
)
from daybreak.contracts import Dataset
from daybreak.datasets import EVENTS
from daybreak.features.described import USER_GRAPH
from daybreak.learning import EASE_CANDIDATES, GNN_CANDIDATES, PEOPLE_CANDIDATES, TOWER_CANDIDATES


class Entity(StrEnum):
    """What a list is for, or made of."""

    USER = "user"
    ITEM = "item"


class SourceName(StrEnum):
    """Where candidates come from."""

    TWO_TOWER = "two_tower"
    GNN = "gnn"
    EASE = "ease"
    COOCCURRENCE = "cooccurrence"
    BM25 = "bm25"
    CO_VIEW = "co_view"
    CO_PURCHASE = "co_purchase"
    CONTENT = "content"
    LOOKS = "looks"
    REBUY = "rebuy"
    FRESH = "fresh"
    SEGMENT = "segment"
    TRENDING = "trending"
    POPULAR = "popular"
    PEOPLE = "people"
    PAGERANK = "pagerank"
    WALKS = "walks"
    COMMON_FRIENDS = "common_friends"
    ADAMIC_ADAR = "adamic_adar"
    ALLOCATION = "allocation"
    FOLLOW_PMI = "follow_pmi"
    FOLLOWERS = "followers"
    CONTACTS = "contacts"
    SCHOOL = "school"
    COMPANY = "company"
    LIVELY = "lively"
    WELL_KNOWN = "well_known"


ITEMS_FOR_USERS = (Entity.USER, Entity.ITEM)
ITEMS_BESIDE_ITEMS = (Entity.ITEM, Entity.ITEM)
PEOPLE_FOR_USERS = (Entity.USER, Entity.USER)


@dataclass(frozen=True)
class SourceKind:
    """What a source reads, for which lists it can be asked, and why it proposes what it does: in the words that people
    read, in which {because} stands for the thing by which it came to the candidate."""

    reads: tuple[Dataset, ...]
    serves: tuple[tuple[Entity, Entity], ...]
    says: str
    for_everyone: bool = False
    repeats: bool = False
    """Whether it proposes what a user owns already, which is the point of it."""


_FOR_ITEMS = (ITEMS_FOR_USERS, ITEMS_BESIDE_ITEMS)
_PAIRS = (PEOPLE_PAIRS,)
_AMONG_PEOPLE = (PEOPLE_FOR_USERS,)

KINDS: dict[SourceName, SourceKind] = {
    SourceName.TWO_TOWER: SourceKind((TOWER_CANDIDATES,), _FOR_ITEMS, "close to your taste"),
    SourceName.GNN: SourceKind((GNN_CANDIDATES,), _FOR_ITEMS, "people of your taste want it"),
    SourceName.EASE: SourceKind((EASE_CANDIDATES,), _FOR_ITEMS, "goes with what you want"),
    SourceName.COOCCURRENCE: SourceKind((COOCCURRENCE,), _FOR_ITEMS, "wanted together with {because}"),
    SourceName.BM25: SourceKind((BM25,), _FOR_ITEMS, "wanted together with {because}"),
    SourceName.CO_VIEW: SourceKind((CO_VIEW,), _FOR_ITEMS, "looked at together with {because}"),
    SourceName.CO_PURCHASE: SourceKind((CO_PURCHASE,), _FOR_ITEMS, "bought together with {because}"),
    SourceName.CONTENT: SourceKind((CONTENT,), _FOR_ITEMS, "much like {because}"),
    SourceName.LOOKS: SourceKind((LOOKS,), _FOR_ITEMS, "looks like {because}"),
    SourceName.REBUY: SourceKind((EVENTS,), (ITEMS_FOR_USERS,), "time to buy it again", repeats=True),
    SourceName.FRESH: SourceKind((), (ITEMS_FOR_USERS,), "new in what you like"),
    SourceName.SEGMENT: SourceKind((SEGMENTS,), (ITEMS_FOR_USERS,), "popular with people like you"),
    SourceName.TRENDING: SourceKind((TRENDING,), _FOR_ITEMS, "trending now", for_everyone=True),
    SourceName.POPULAR: SourceKind((POPULARITY,), _FOR_ITEMS, "popular", for_everyone=True),
    SourceName.PEOPLE: SourceKind((PEOPLE_CANDIDATES,), _AMONG_PEOPLE, "close to the people you know"),
    SourceName.PAGERANK: SourceKind(_PAIRS, _AMONG_PEOPLE, "close to the people you know"),
    SourceName.WALKS: SourceKind(_PAIRS, _AMONG_PEOPLE, "knows people you know"),
    SourceName.COMMON_FRIENDS: SourceKind(_PAIRS, _AMONG_PEOPLE, "knows people you know"),
    SourceName.ADAMIC_ADAR: SourceKind(_PAIRS, _AMONG_PEOPLE, "knows people you know"),
    SourceName.ALLOCATION: SourceKind(_PAIRS, _AMONG_PEOPLE, "knows people you know"),
    SourceName.FOLLOW_PMI: SourceKind(_PAIRS, _AMONG_PEOPLE, "follows those you follow"),
    SourceName.FOLLOWERS: SourceKind(_PAIRS, _AMONG_PEOPLE, "follows you"),
    SourceName.CONTACTS: SourceKind(_PAIRS, _AMONG_PEOPLE, "among your contacts"),
    SourceName.SCHOOL: SourceKind((), _AMONG_PEOPLE, "same school"),
    SourceName.COMPANY: SourceKind((), _AMONG_PEOPLE, "same company"),
    SourceName.LIVELY: SourceKind((LIVELY_PEOPLE,), _AMONG_PEOPLE, "meets many people these days", for_everyone=True),
    SourceName.WELL_KNOWN: SourceKind((USER_GRAPH.dataset,), _AMONG_PEOPLE, "well known", for_everyone=True),
}

BY_MODELS = (SourceName.TWO_TOWER, SourceName.GNN, SourceName.PEOPLE)
"""The sources whose candidates a model of the registry lists; each has its model's name."""
FOR_EVERYONE = tuple(name for name, kind in KINDS.items() if kind.for_everyone)
"""The sources that know candidates for a query nobody has seen; the fallback of a surface is made of them."""
READ = tuple(dict.fromkeys(dataset for kind in KINDS.values() for dataset in kind.reads))
"""Every table that some source reads."""
