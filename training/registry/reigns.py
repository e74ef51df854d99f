"""Who was champion from which night on: kept in the tags of the versions themselves, so that MLflow alone tells it.

A reign begins with a night: by promotion, by a roll-back, because a person moved the alias, or in hindsight, when a
night is built again after the alias has gone on to a version that learned from later days. Reigns are numbered, so that
of two that begin with the same night the later deed counts. `champion_from` and `champion_because` tell the newest
reign of a version to people; `reigns` tells all of them.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from daybreak.errors import RegistryError

REIGNS_TAG, FROM_TAG, BECAUSE_TAG = "reigns", "champion_from", "champion_because"
LONGEST_REASON = 1_000
How = Literal["promoted", "rolled back", "moved by hand", "in hindsight"]


@dataclass(frozen=True)
class Reign:
    """A version that is champion from night `ds` on, until the next reign."""

    number: int
    ds: str
    order: int
    how: How
    because: str


def reigns_in(model: str, number: int, tags: Mapping[str, str]) -> list[Reign]:
    """The reigns that a version's tags tell of."""
    try:
        written = json.loads(tags.get(REIGNS_TAG, "[]"))
        return [Reign(number, each["ds"], each["order"], each["how"], each["because"]) for each in written]
    except (ValueError, KeyError, TypeError) as error:
        raise RegistryError(
            f"the tag '{REIGNS_TAG}' of version {number} of model {model} cannot be read ({error!r}): remove the tag in"
            " MLflow, then run the same command again"
        ) from None


def tags_of(reigns: Iterable[Reign]) -> dict[str, str]:
    """The tags that tell of all reigns of one version."""
    ordered = sorted(reigns, key=lambda reign: reign.order)
    written = [{"ds": each.ds, "order": each.order, "how": each.how, "because": each.because} for each in ordered]
    return {REIGNS_TAG: json.dumps(written), FROM_TAG: ordered[-1].ds, BECAUSE_TAG: ordered[-1].because}


def newest(reigns: Iterable[Reign]) -> Reign | None:
    """The latest deed that moved the alias."""
    return max(_of_the_alias(reigns), key=lambda reign: reign.order, default=None)


def serving(reigns: Iterable[Reign], ds: str) -> Reign | None:
    """The reign that night `ds` lies in."""
    begun = [reign for reign in reigns if reign.ds <= ds]
    return max(begun, key=lambda reign: (reign.ds, reign.order), default=None)


def next_reign(reigns: Iterable[Reign], number: int, ds: str, how: How, because: str) -> Reign:
    """One more, after all others."""
    last = max((reign.order for reign in reigns), default=0)
    return Reign(number, ds, last + 1, how, because[:LONGEST_REASON])


def before(reigns: Iterable[Reign], number: int) -> int | None:
    """The version to go back to from `number`: the one that was champion before it came to be, and that nobody has
    gone back from since. So going back again goes further back."""
    deeds = sorted(_of_the_alias(reigns), key=lambda reign: reign.order)
    came: list[int] = []
    left: set[int] = set()
    for earlier, deed in zip([None, *deeds], deeds, strict=False):
        if deed.how == "rolled back":
            left |= {earlier.number} if earlier else set()
        else:
            came.append(deed.number)
            left.discard(deed.number)
    until = len(came) - 1 - came[::-1].index(number) if number in came else len(came)
    return next((each for each in reversed(came[:until]) if each != number and each not in left), None)


def _of_the_alias(reigns: Iterable[Reign]) -> list[Reign]:
    return [reign for reign in reigns if reign.how != "in hindsight"]
