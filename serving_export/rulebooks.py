"""The rules of a surface as they stand on a night."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from daybreak.sources import KINDS, Entity
from daybreak.surfaces import Condition, Surface
from serving_export.arrays import NOBODY, Flags, Ints
from serving_export.names import Pairs, themselves
from serving_export.night import MUTUAL, OWNING, TYING, Night, Range, flags
from serving_export.rules import Regions, Rulebook

OWNED = "owned"


def rulebook(surface: Surface, night: Night, among: Range) -> Rulebook:
    """All rules of a surface that are on, for the queries of a range."""
    rules, apart = surface.rules, {}
    queries = night.active(surface.query)
    own = queries[(queries >= among.first) & (queries < among.stop)]
    if rules.own and surface.query is surface.candidate:
        apart["own"] = themselves(own)
    if surface.query is Entity.USER and surface.candidate is Entity.ITEM:
        apart |= _history(surface, night, among)
    if surface.query is Entity.USER and surface.candidate is Entity.USER:
        apart |= _company(surface, night)
    return Rulebook(len(night.names[surface.candidate]), _hidden(surface, night), apart, _regions(surface, night))


def _history(surface: Surface, night: Night, among: Range) -> dict[str, Pairs]:
    """What users have had to do with items."""
    rules = surface.rules
    apart = {OWNED: night.met(OWNING, among)} if rules.owned else {}
    if rules.seen_days:
        apart["seen"] = night.met(("impression",), among, rules.seen_days)
    if rules.dismissed:
        apart["dismissed"] = night.met(("dismiss",), among)
    return apart


def _company(surface: Surface, night: Night) -> dict[str, Pairs]:
    """What users have had to do with each other."""
    rules = surface.rules
    apart = {"tied": night.tied(*TYING, mutual=MUTUAL)} if rules.tied else {}
    if rules.blocked:
        apart["blocked"] = night.tied("block", mutual=("block",))
    if rules.dismissed:
        apart["dismissed"] = night.tied("dismiss")
    return apart


def _hidden(surface: Surface, night: Night) -> dict[str, Flags]:
    """The candidates that nobody is shown."""
    entity, rules = surface.candidate, surface.rules
    states, everybody = night.states[entity], np.arange(len(night.names[entity]))
    hidden = {"inactive": ~np.isin(everybody, night.active(entity))} if rules.inactive else {}
    if rules.out_of_stock and entity is Entity.ITEM:
        hidden["out_of_stock"] = flags(pc.equal(states["in_stock"], False))
    for condition in rules.conditions:
        name = f"condition {condition.column}"
        broken = flags(pc.invert(keeps(condition, states[condition.column])))
        hidden[name] = hidden.get(name, np.zeros(len(everybody), np.bool_)) | broken
    return hidden


def keeps(condition: Condition, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Whether each value keeps a condition; null where there is none."""
    if condition.at_least is not None:
        return pc.greater_equal(values, condition.at_least)
    if condition.at_most is not None:
        return pc.less_equal(values, condition.at_most)
    named = pa.array(condition.one_of or condition.none_of or (), pa.string())
    is_named = pc.if_else(pc.is_null(values), None, pc.is_in(values, value_set=named))
    return is_named if condition.one_of is not None else pc.invert(is_named)


def _regions(surface: Surface, night: Night) -> Regions | None:
    """Where items may be shown; None where that is told of no item, or asked for nobody."""
    if not surface.rules.regions or (surface.query, surface.candidate) != (Entity.USER, Entity.ITEM):
        return None
    told = night.states[Entity.ITEM]["regions"].combine_chunks()
    if told.null_count == len(told):
        return None
    lists = pc.split_pattern(told, " ")
    countries = pc.unique(pc.list_flatten(lists)).sort()
    allowed = np.zeros((len(told), len(countries)), np.bool_)
    allowed[pc.list_parent_indices(lists).to_numpy(), pc.index_in(pc.list_flatten(lists), countries).to_numpy()] = True
    of_users = pc.fill_null(pc.index_in(night.states[Entity.USER]["country"], countries), NOBODY)
    is_kept = flags(pc.is_valid(told))
    return Regions(of_users.to_numpy(zero_copy_only=False).astype(np.int64), is_kept, allowed)


def repeating(surface: Surface) -> Ints:
    """The numbers of the surface's sources that may propose what a user owns."""
    return np.array([number for number, name in enumerate(surface.asked) if KINDS[name].repeats], np.int64)
