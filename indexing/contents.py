"""What a release of the index says of itself: the model, the spaces, every part with its checksum, known answers.

The manifest proves that files are whole; this page proves that they belong together. So a part of another night, even
one that was written into the manifest, is refused.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from daybreak.errors import InputError, ReleaseError
from daybreak.releases import Release
from indexing.spaces import Space
from indexing.specification import Effort, Specification

CONTENTS_FILE = "index.json"
USERS_FILE, ITEMS_FILE, ALIKE_FILE = "users.arrow", "items.arrow", "alike.npy"
DELTA_FILE = "delta.arrow"
FORMAT = 1


def shard_file(space: Space, shard: int) -> str:
    """The file of a shard's index."""
    return f"{space}-{shard:03d}.faiss"


@dataclass(frozen=True)
class Known:
    """A question whose answer was written down when the index was built; it must answer the same wherever it opens."""

    space: Space
    id: str
    found: tuple[str, ...]


@dataclass(frozen=True)
class Delta:
    """What came after the night: how many items, and which of the night's are gone."""

    items: int
    gone: tuple[str, ...]


@dataclass(frozen=True)
class Contents:
    """The page of a release. `fresh_until` is the moment up to which deliveries are in it."""

    ds: str
    model: str
    version: int
    digest: str
    fresh_until: str
    specifications: Mapping[Space, Specification]
    efforts: Mapping[Space, Effort]
    parts: Mapping[str, str]
    known: tuple[Known, ...] = ()
    delta: Delta | None = None

    def to_bytes(self) -> bytes:
        document = {"format": FORMAT, **asdict(replace(self, specifications={}, efforts={}))}
        document["specifications"] = {space: str(each) for space, each in self.specifications.items()}
        document["efforts"] = {space: each.to_json() for space, each in self.efforts.items()}
        return json.dumps(document, indent=2, sort_keys=True).encode() + b"\n"

    @classmethod
    def read(cls, path: Path) -> Contents:
        try:
            told = json.loads(path.read_bytes())
            if told.pop("format") != FORMAT:
                raise ReleaseError(f"{path}: this program reads indexes of format {FORMAT}; build the index again")
            told["specifications"] = {
                Space(name): Specification.parse(each) for name, each in told["specifications"].items()
            }
            told["efforts"] = {Space(name): Effort(**each) for name, each in told["efforts"].items()}
            if set(told["specifications"]) != set(Space) or set(told["efforts"]) != set(Space):
                raise ValueError(f"it must tell of {', '.join(Space)}")
            told["known"] = tuple(_known(each) for each in told["known"])
            told["delta"] = _delta(told["delta"])
            return cls(**told)
        except FileNotFoundError:
            raise ReleaseError(f"release {path.parent.name} has no {CONTENTS_FILE}: it holds no index") from None
        except (ValueError, KeyError, TypeError, AttributeError, InputError) as error:
            raise ReleaseError(f"{path} cannot be read ({error!r}); roll back, or build the index again") from None

    def refuse_mixture(self, release: Release) -> None:
        """Raises where a file of the release is not the part that the index was built with."""
        for name, entry in release.manifest.files.items():
            if name != CONTENTS_FILE and self.parts.get(name) != entry.sha256:
                raise ReleaseError(
                    f"release {release.id}: {name} is not the part that this index was built with, but one of another"
                    " night or model; roll back (`daybreak index rollback`), or build the index again"
                )
        if missing := sorted(set(self.parts) - set(release.manifest.files)):
            raise ReleaseError(f"release {release.id} lacks {', '.join(missing)}; build the index again")
        if release.manifest.model != model_name(self.model, self.version):
            raise ReleaseError(
                f"release {release.id} says it is of {release.manifest.model}, its index of"
                f" {model_name(self.model, self.version)}; build the index again"
            )


def model_name(model: str, version: int) -> str:
    return f"{model}-{version}"


def _known(told: Mapping[str, Any]) -> Known:
    return Known(Space(told["space"]), told["id"], tuple(told["found"]))


def _delta(told: Mapping[str, Any] | None) -> Delta | None:
    return Delta(told["items"], tuple(told["gone"])) if told else None
