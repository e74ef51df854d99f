"""What a night indexes, and as what: the same for whoever builds a shard and for whoever puts the shards together."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from daybreak.errors import SettingsError
from daybreak.learning import ITEM
from daybreak.settings import Settings
from daybreak.step_io import StepIO
from daybreak.vectors import EmbeddingRun
from indexing.ann import FAISS_VERSION
from indexing.arrays import Floats
from indexing.choosing import standard
from indexing.embedded import Embedded, night_embedded
from indexing.spaces import Space, in_space
from indexing.specification import Kind, Specification

UNITS = {"MB": 1 << 20, "GB": 1 << 30}


@dataclass(frozen=True)
class Plan:
    """The items of a night, their vectors, and the index of each space."""

    run: EmbeddingRun
    items: Embedded
    specifications: Mapping[Space, Specification]
    seed: int
    folder: Path

    def vectors(self, space: Space) -> Floats:
        """The items' vectors as a space compares them."""
        return in_space(space, self.items.vectors)

    def shard_path(self, space: Space, shard: int, vectors: Floats) -> Path:
        """Where the index of a shard is kept until it is part of a release. The name tells what it was built from and
        by which FAISS, so that no other shard is ever taken."""
        told = hashlib.sha256(f"{self.specifications[space]} {self.seed} {vectors.shape} {FAISS_VERSION}".encode())
        told.update(np.ascontiguousarray(vectors).data)
        return self.folder / f"{space}-{shard:03d}-{told.hexdigest()[:24]}.faiss"


def night_plan(io: StepIO, run: EmbeddingRun, told: pa.Table) -> Plan:
    """The plan of the step's night, whose vectors are told by its table."""
    settings = io.settings
    items = night_embedded(io, told, ITEM, settings.index_shards)
    seed = int(hashlib.sha256(f"index/{io.ds}/{settings.seed}".encode()).hexdigest()[:8], 16)
    return Plan(
        run,
        items,
        {space: _specification(settings, items) for space in Space},
        seed,
        settings.root / "indexing" / io.ds,
    )


def _specification(settings: Settings, items: Embedded) -> Specification:
    """What each shard is built as: memory, and cells that are written down, are shared out among them."""
    rows = min(np.diff(items.starts).tolist())
    width = items.width
    if ":" in settings.index or settings.index == Kind.EXACT:
        written = Specification.parse(settings.index)
        specification = replace(written, cells=-(-written.cells // items.shards))
    else:
        kinds: dict[str, Kind | None] = {"auto": None, **{str(kind): kind for kind in Kind}}
        if settings.index not in kinds:
            raise SettingsError(
                f"DAYBREAK_INDEX is '{settings.index}': write {', '.join(kinds)}, or a specification such as"
                " ivf_flat:cells=1024"
            )
        specification = standard(rows, width, memory_bytes(settings) // items.shards, kinds[settings.index])
    specification.refuse_few(rows, f"the smallest of {items.shards} shards of {len(items):,} items")
    return specification


def memory_bytes(settings: Settings) -> int:
    """The memory that an index may take."""
    number, unit = settings.index_memory[:-2], settings.index_memory[-2:]
    return int(number) * UNITS[unit]
