"""What MLflow tells of the registered models: their versions, aliases and tags, as they are at one moment."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from daybreak.errors import RegistryError
from training.registry.opening import code_of
from training.registry.reigns import Reign, reigns_in
from training.registry.tracking import MISSING, Registry

CHAMPION, CHALLENGER = "champion", "challenger"
HELD_TAG = "held"
AT_ONCE = 1_000


@dataclass(frozen=True)
class Version:
    """One version of a registered model, as its tags tell of it."""

    model: str
    number: int
    run_id: str
    tags: Mapping[str, str]
    aliases: tuple[str, ...]

    @property
    def trained_until(self) -> str:
        """The last day that it has seen."""
        return self._tag("trained_until")

    @property
    def digest(self) -> str:
        return self._tag("digest")

    @property
    def ds(self) -> str:
        """The night that made it."""
        return self._tag("ds")

    @property
    def why(self) -> str:
        """Why it is champion, or why not."""
        return self.tags.get("why", "")

    @property
    def measures(self) -> dict[str, float]:
        """What was measured of it."""
        return dict(json.loads(self.tags.get("measures", "{}")))

    @cached_property
    def reigns(self) -> list[Reign]:
        return reigns_in(self.model, self.number, self.tags)

    def _tag(self, name: str) -> str:
        if name not in self.tags:
            raise RegistryError(
                f"version {self.number} of model {self.model} has no tag '{name}', which every version that Daybreak"
                " registers has: move its aliases to another version"
            )
        return self.tags[name]


@dataclass(frozen=True)
class State:
    """Everything that MLflow tells of a model at one moment."""

    model: str
    versions: dict[int, Version]
    champion: Version | None
    held: str | None

    @property
    def reigns(self) -> list[Reign]:
        return [reign for version in self.versions.values() for reign in version.reigns]

    @property
    def newest_day(self) -> str:
        """The newest night that the model knows of."""
        return max(
            [each.ds for each in self.versions.values() if "ds" in each.tags] + [each.ds for each in self.reigns]
        )

    def version(self, number: int) -> Version:
        if number not in self.versions:
            known = ", ".join(map(str, sorted(self.versions))) or "none"
            raise RegistryError(f"model {self.model} has no version {number}; its versions are: {known}")
        return self.versions[number]


class Catalogue:
    """Reads registered models, and writes their tags."""

    def __init__(self, registry: Registry) -> None:
        self.registry = registry

    def models(self) -> list[str]:
        """The names of all registered models."""
        names: list[str] = []
        token: str | None = None
        while token != "":
            with self.registry.asking() as client:
                page = client.search_registered_models(max_results=AT_ONCE, page_token=token)
            names += [found.name for found in page]
            token = page.token or ""
        return sorted(names)

    def state(self, model: str) -> State:
        """A model as it is now; one without versions where there is none."""
        with self.registry.asking() as client:
            try:
                found = client.get_registered_model(model)
            except Exception as error:
                if code_of(error) != MISSING:
                    raise
                return State(model, {}, None, None)
        aliases: dict[int, tuple[str, ...]] = {}
        for alias, number in found.aliases.items():
            aliases[int(number)] = (*aliases.get(int(number), ()), alias)
        versions = {
            int(each.version): version_of(each, aliases.get(int(each.version), ())) for each in self._versions(model)
        }
        champion = next((each for each in versions.values() if CHAMPION in each.aliases), None)
        return State(model, versions, champion, found.tags.get(HELD_TAG))

    def _versions(self, model: str) -> Iterator[Any]:
        token: str | None = None
        while token != "":
            with self.registry.asking() as client:
                page = client.search_model_versions(f"name='{model}'", max_results=AT_ONCE, page_token=token)
            yield from page
            token = page.token or ""

    def tag(self, version: Version, tags: Mapping[str, str]) -> None:
        with self.registry.asking() as client:
            for name, value in tags.items():
                client.set_model_version_tag(version.model, str(version.number), name, value)


def version_of(found: Any, aliases: tuple[str, ...] = ()) -> Version:
    """A version as MLflow hands it out."""
    return Version(found.name, int(found.version), found.run_id or "", dict(found.tags), tuple(sorted(aliases)))
