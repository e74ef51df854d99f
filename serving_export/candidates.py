"""What is known of all candidates of a surface on a night: what lifts them, what caps count, and how alike they are."""

from __future__ import annotations

import numpy as np
import pyarrow.compute as pc
from scipy.sparse import csr_matrix
from scipy.sparse.csgraph import connected_components

from daybreak.candidates import CONTENT
from daybreak.features.described import ITEM_TEXT
from daybreak.sources import Entity
from daybreak.surfaces import VARIANTS, Surface
from daybreak.vectors import matrix_of
from serving_export.arrays import Floats, Ints
from serving_export.mutual import Mutual
from serving_export.names import Names
from serving_export.night import Night
from serving_export.rerank.exploration import Rates
from serving_export.rerank.selection import Cap, Vectors
from serving_export.shelf import Candidates
from serving_export.sources.builders import age_days

AS_GOOD_AS_THE_SAME = 0.995
"""Items of one category whose texts are as alike as this are as good as the same."""
PRIOR_FOLLOWERS = 5.0


def candidates_of(surface: Surface, night: Night) -> Candidates:
    """What the surface needs to know of its candidates."""
    return Candidates(
        names=night.names[surface.candidate],
        lift=_lift(surface, night),
        caps=[Cap(_groups(column, surface, night), most) for column, most in sorted(surface.caps.items())],
        vectors=_vectors(night) if surface.diversity.method != "none" and surface.candidate is Entity.ITEM else None,
        rates=_rates(surface, night) if surface.exploration.slots else None,
        mutual=Mutual.of(night) if surface.candidate is Entity.USER and surface.query is Entity.USER else None,
    )


def _lift(surface: Surface, night: Night) -> Floats:
    """What the score of each candidate is multiplied with."""
    lift = np.ones(len(night.names[surface.candidate]))
    if surface.candidate is Entity.ITEM and surface.freshness.boost:
        ages = age_days(night.ds, night.states[Entity.ITEM]["launched_ts"])
        lift += surface.freshness.boost * 0.5 ** (ages / surface.freshness.half_life_days)
    if surface.candidate is Entity.USER and surface.rank.reciprocity:
        lift += surface.rank.reciprocity * tied_back(night)
    return lift


def tied_back(night: Night) -> Floats:
    """Of those who follow a user, the share whom the user follows back, drawn towards that of all users."""
    follows = night.tied("follow")
    users = len(night.users)
    keys, back = follows.keys(users), follows.others * users + follows.queries
    returned = np.isin(back, keys)
    followers = np.bincount(follows.others, minlength=users)
    mutual = np.bincount(follows.others[returned], minlength=users)
    overall = returned.mean() if len(returned) else 0.0
    return (mutual + PRIOR_FOLLOWERS * overall) / (followers + PRIOR_FOLLOWERS)


def _groups(column: str, surface: Surface, night: Night) -> Ints:
    """The group of each candidate that a cap counts; -1 where it has none."""
    if column == VARIANTS:
        return variants(night)
    values = night.states[surface.candidate][column]
    return Names(values.drop_null()).numbers(values)


def variants(night: Night) -> Ints:
    """Items by what they are as good as the same with: the forms of one product, and items described alike."""
    states, items = night.states[Entity.ITEM], night.items
    products = pc.fill_null(states["variant_of"], "")
    stem = items.numbers(products)
    names = Names(products.filter(pc.not_equal(products, "")))
    forms, of_product = np.arange(len(items)), names.numbers(products)
    told = of_product >= 0
    n_things = len(items) + len(names)
    pairs = [(forms[told], len(items) + of_product[told]), (stem[stem >= 0], len(items) + of_product[stem >= 0])]
    pairs.append(_alike(night))
    makers, others = (np.concatenate(ends) for ends in zip(*pairs, strict=True))
    links = csr_matrix((np.ones(len(makers), np.bool_), (makers, others)), shape=(n_things, n_things))
    groups = connected_components(links, directed=False)[1][: len(items)].astype(np.int64)
    alone = np.bincount(groups, minlength=1)[groups] < 2
    return np.where(alone, -1, groups)


def _alike(night: Night) -> tuple[Ints, Ints]:
    """Pairs of items of one category that are described alike."""
    rows = night.numbered(
        f"SELECT item_id, neighbour_id FROM {night.rows(CONTENT)} WHERE score >= {AS_GOOD_AS_THE_SAME}"
    )
    items, others = night.items.numbers(rows["item_id"]), night.items.numbers(rows["neighbour_id"])
    categories = night.states[Entity.ITEM]["category"]
    of_items = Names(categories.drop_null()).numbers(categories)
    same = (items >= 0) & (others >= 0) & (of_items[items] == of_items[others])
    return items[same], others[same]


def _vectors(night: Night) -> Vectors | None:
    """What items say of themselves, as vectors of length 1; zeros where nothing is told, None where of no item."""
    view = ITEM_TEXT.dataset
    rows = night.engine.sql(
        f"""SELECT item_id, text_vector, text_space FROM {_all_rows(night)} WHERE text_vector IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY item_id ORDER BY event_ts DESC, available_ts DESC) = 1"""
    ).to_arrow_table()
    if not rows.num_rows:
        return None
    spaces = pc.value_counts(rows["text_space"]).to_pylist()
    usual = max(spaces, key=lambda entry: (entry["counts"], entry["values"]))["values"]
    rows = rows.filter(pc.equal(rows["text_space"], usual))
    told = matrix_of(rows["text_vector"], view.name, "run jobs.item_text for this night again")
    vectors = np.zeros((len(night.items), told.shape[1]), np.float32)
    at = night.items.numbers(rows["item_id"])
    vectors[at[at >= 0]] = told[at >= 0]
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return np.asarray(vectors / np.maximum(lengths, 1e-9), np.float32)


def _all_rows(night: Night) -> str:
    from daybreak.duckdb_files import rows_of

    return rows_of(night.engine, ITEM_TEXT.dataset, night.io.paths(ITEM_TEXT.dataset))


def _rates(surface: Surface, night: Night) -> Rates:
    shows, clicks = night.shown(28)
    return Rates.of(shows, clicks, surface.exploration.shown_below)
