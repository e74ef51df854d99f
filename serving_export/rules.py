"""What may not appear: candidates kept from everybody, and candidates kept from single queries.

Every rule has a name, so that a list can be explained by what was kept out of it, and by which rule.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from daybreak.sorted_keys import contained
from serving_export.arrays import Flags, Ints
from serving_export.names import NO_PAIRS, Pairs


@dataclass(frozen=True)
class Regions:
    """Where candidates may be shown: of each query its country, and of each candidate the countries it is kept to.

    `allowed[candidate, country]`; a country is a number, and -1 is one that is not known, to which nothing that is kept
    to countries is shown.
    """

    country_of: Ints
    is_kept: Flags
    allowed: Flags

    def allows(self, queries: Ints, candidates: Ints) -> Flags:
        countries = self.country_of[queries]
        return ~self.is_kept[candidates] | ((countries >= 0) & self.allowed[candidates, countries])


@dataclass(frozen=True)
class Rulebook:
    """The rules of a surface, as they stand this night. `hidden` are candidates kept from everybody, by rule; `apart`
    are pairs of query and candidate, by rule."""

    n_candidates: int
    hidden: Mapping[str, Flags]
    apart: Mapping[str, Pairs]
    regions: Regions | None = None

    @property
    def shown(self) -> Flags:
        """The candidates that may be shown to somebody."""
        shown = np.ones(self.n_candidates, np.bool_)
        for hidden in self.hidden.values():
            shown &= ~hidden
        return shown

    def of(self, queries: Ints) -> Barred:
        """The rules for some queries, given in order."""
        keys = {name: pairs.of(queries).keys(self.n_candidates) for name, pairs in self.apart.items()}
        return Barred(self.n_candidates, self.shown, keys, self.regions)

    def reasons(self, query: int, candidate: int) -> list[str]:
        """The rules that keep this candidate from this query."""
        barred = self.of(np.array([query]))
        found = [name for name, hidden in self.hidden.items() if hidden[candidate]]
        key = np.array([query * self.n_candidates + candidate])
        found += [name for name, keys in barred.keys.items() if contained(key, keys)[0]]
        if self.regions and not self.regions.allows(np.array([query]), np.array([candidate]))[0]:
            found.append("regions")
        return found


@dataclass(frozen=True)
class Barred:
    """What the rules keep from a block of queries."""

    n_candidates: int
    shown: Flags
    keys: Mapping[str, Ints]
    regions: Regions | None = None

    def allows(self, queries: Ints, candidates: Ints) -> Flags:
        """Whether each candidate may be shown to its query."""
        allowed = self.shown[candidates]
        pairs = queries * self.n_candidates + candidates
        for keys in self.keys.values():
            allowed &= ~contained(pairs, keys)
        return allowed & self.regions.allows(queries, candidates) if self.regions else allowed

    def without(self, rule: str) -> Barred:
        """The same, as if a rule did not stand."""
        return Barred(self.n_candidates, self.shown, {**self.keys, rule: NO_PAIRS.queries}, self.regions)
