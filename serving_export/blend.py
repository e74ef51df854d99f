"""Merging ranked candidates of many sources into one list per query. Arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from serving_export.facts import Floats, Ints, Pairs

RANK_OFFSET = 60.0


@dataclass(frozen=True)
class Ranking:
    """Candidates of one source: query, candidate and rank from 0, a row each."""

    queries: Ints
    candidates: Ints
    ranks: Ints


@dataclass(frozen=True)
class Blended:
    """The merged lists: rows ordered by query and rank. `sources` numbers the source that contributed most."""

    queries: Ints
    candidates: Ints
    ranks: Ints
    scores: Floats
    sources: Ints


@dataclass(frozen=True)
class Neighbours:
    """For each item, its neighbours and their scores: those of item i stand at starts[i] to starts[i + 1]."""

    starts: Ints
    items: Ints
    scores: Floats

    @classmethod
    def of(cls, items: Ints, neighbours: Ints, scores: Floats, n_items: int) -> Neighbours:
        order = np.lexsort((neighbours, -scores, items))
        starts = np.searchsorted(items[order], np.arange(n_items + 1))
        return cls(starts, neighbours[order], scores[order])


def rank_listed(queries: Ints, listed: Ranking, n_candidates: int, banned: Ints, quota: int) -> Ranking:
    """What is listed for each of these queries, less what is banned for it; `listed` is in order of query and rank."""
    starts, ends = np.searchsorted(listed.queries, queries), np.searchsorted(listed.queries, queries, side="right")
    lengths = ends - starts
    places = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths) + np.repeat(starts, lengths)
    rows, candidates = listed.queries[places], listed.candidates[places]
    allowed = ~np.isin(rows * n_candidates + candidates, banned)
    return _best(rows[allowed], candidates[allowed], quota)


def rank_neighbours(held: Pairs, neighbours: Neighbours, n_candidates: int, banned: Ints, quota: int) -> Ranking:
    """For each query the best neighbours of the items it holds, by the weight it holds them with.

    `banned` are keys query * n_candidates + candidate that must not appear.
    """
    starts = neighbours.starts[held.items]
    lengths = neighbours.starts[held.items + 1] - starts
    rows = np.repeat(np.arange(len(held.items)), lengths)
    places = np.arange(lengths.sum()) - np.repeat(np.cumsum(lengths) - lengths, lengths) + starts[rows]
    keys = held.queries[rows] * n_candidates + neighbours.items[places]
    values = held.weights[rows] * neighbours.scores[places]
    allowed = ~np.isin(keys, banned)
    keys, values = _summed(keys[allowed], values[allowed])
    queries, candidates = np.divmod(keys, n_candidates)
    order = np.lexsort((candidates, -values, queries))
    return _best(queries[order], candidates[order], quota)


def rank_everywhere(queries: Ints, ranked: Ints, n_candidates: int, banned: Ints, quota: int) -> Ranking:
    """The same ranked candidates for every query, less what is banned for it."""
    banned_a_query = np.bincount(np.searchsorted(queries, banned // n_candidates), minlength=len(queries)).max(
        initial=0
    )
    ranked = ranked[: quota + int(banned_a_query)]
    rows = np.repeat(queries, len(ranked))
    candidates = np.tile(ranked, len(queries))
    allowed = ~np.isin(rows * n_candidates + candidates, banned)
    return _best(rows[allowed], candidates[allowed], quota)


def blend(rankings: list[Ranking], weights: list[float], n_candidates: int, length: int) -> Blended:
    """Reciprocal-rank fusion: a candidate scores weight / (60 + rank) in each source that names it.

    Ties go to the smaller candidate, so the same input gives the same lists.
    """
    keys = np.concatenate([ranking.queries * n_candidates + ranking.candidates for ranking in rankings])
    shares = np.concatenate(
        [weight / (RANK_OFFSET + ranking.ranks) for ranking, weight in zip(rankings, weights, strict=True)]
    )
    sources = np.concatenate([np.full(len(ranking.queries), n) for n, ranking in enumerate(rankings)])
    strongest = np.lexsort((sources, -shares, keys))
    keys, shares, sources = keys[strongest], shares[strongest], sources[strongest]
    distinct, starts = np.unique(keys, return_index=True)
    scores = np.add.reduceat(shares, starts) if len(distinct) else np.zeros(0)
    queries, candidates = np.divmod(distinct, n_candidates)
    order = np.lexsort((candidates, -scores, queries))
    kept = order[_within(queries[order], length)]
    return Blended(queries[kept], candidates[kept], _ranks(queries[kept]), scores[kept], sources[starts[kept]])


def _summed(keys: Ints, values: Floats) -> tuple[Ints, Floats]:
    order = np.lexsort((values, keys))
    distinct, starts = np.unique(keys[order], return_index=True)
    return distinct, np.add.reduceat(values[order], starts) if len(distinct) else np.zeros(0)


def _best(queries: Ints, candidates: Ints, length: int) -> Ranking:
    """The first `length` rows of each query; rows are in order."""
    kept = _within(queries, length)
    return Ranking(queries[kept], candidates[kept], _ranks(queries[kept]))


def _within(queries: Ints, length: int) -> Ints:
    return np.flatnonzero(_ranks(queries) < length)


def _ranks(queries: Ints) -> Ints:
    """The place of each row among the rows of its query, from 0; rows of a query stand together."""
    starts = np.flatnonzero(np.r_[True, queries[1:] != queries[:-1]]) if len(queries) else np.zeros(0, np.int64)
    return np.arange(len(queries)) - np.repeat(starts, np.diff(np.r_[starts, len(queries)]))
