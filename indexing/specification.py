"""What an index is built as, and how hard it is searched: small words that stand in settings, releases and plots.

A specification is written `kind` or `kind:name=number,…`, such as `ivf_flat:cells=1024`. Whatever its kind, what an
index finds is scored again by the vectors themselves, so its scores are exact, and only what it finds is approximate.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from enum import StrEnum
from typing import Any

from daybreak.errors import InputError

FLOAT = 4
LEAST_LINKS = 2


class Kind(StrEnum):
    """How an index finds what is near."""

    EXACT = "exact"
    IVF_FLAT = "ivf_flat"
    IVF_SQ8 = "ivf_sq8"
    IVF_PQ = "ivf_pq"
    IVF_PQ4 = "ivf_pq4"
    HNSW = "hnsw"


CELLED = (Kind.IVF_FLAT, Kind.IVF_SQ8, Kind.IVF_PQ, Kind.IVF_PQ4)
CODED = (Kind.IVF_SQ8, Kind.IVF_PQ, Kind.IVF_PQ4)
NUMBERS: dict[Kind, tuple[str, ...]] = {
    Kind.EXACT: (),
    Kind.IVF_FLAT: ("cells",),
    Kind.IVF_SQ8: ("cells",),
    Kind.IVF_PQ: ("cells", "parts"),
    Kind.IVF_PQ4: ("cells", "parts"),
    Kind.HNSW: ("links", "breadth"),
}
"""What each kind is told: cells of vectors; parts that a vector is cut into; links of a vector, and how broadly they
are looked for."""


@dataclass(frozen=True)
class Specification:
    """What an index is built as. Numbers that its kind does not take are 0."""

    kind: Kind
    cells: int = 0
    parts: int = 0
    links: int = 0
    breadth: int = 0

    def __post_init__(self) -> None:
        taken = NUMBERS[self.kind]
        for field in fields(self)[1:]:
            number = getattr(self, field.name)
            if number < 0 or (field.name in taken) != (number > 0):
                expected = ", ".join(f"{name} (at least 1)" for name in taken) or "no number"
                raise InputError(f"an index of kind {self.kind} takes {expected}, but {field.name} is {number}")
        if self.kind is Kind.HNSW and self.links < LEAST_LINKS:
            raise InputError(
                f"an index of kind {self.kind} takes {LEAST_LINKS} links at least, but they are {self.links}"
            )

    def __str__(self) -> str:
        told = ",".join(f"{name}={getattr(self, name)}" for name in NUMBERS[self.kind])
        return f"{self.kind}:{told}" if told else str(self.kind)

    @classmethod
    def parse(cls, text: str) -> Specification:
        """The specification that a text names."""
        kind, _, rest = text.partition(":")
        try:
            numbers = {name: int(value) for name, value in (each.split("=") for each in rest.split(",") if each)}
            return cls(Kind(kind), **numbers)
        except (ValueError, TypeError):
            raise InputError(
                f"'{text}' is no index: write a kind ({', '.join(Kind)}) and its numbers, such as ivf_flat:cells=1024"
            ) from None

    def factory(self) -> str:
        """FAISS's own words for it."""
        codes = {
            Kind.IVF_FLAT: "Flat",
            Kind.IVF_SQ8: "SQ8",
            Kind.IVF_PQ: f"PQ{self.parts}x8np",
            Kind.IVF_PQ4: f"PQ{self.parts}x4fsr",
        }
        if self.kind is Kind.HNSW:
            return f"HNSW{self.links},Flat"
        if self.kind in CELLED:
            return f"IVF{self.cells},{codes[self.kind]}"
        raise InputError(f"an index of kind {self.kind} is searched without FAISS")

    def memory_bytes(self, rows: int, width: int) -> int:
        """About how much the index takes beside the vectors themselves."""
        ids, cells = 8 * rows, self.cells * width * FLOAT
        sizes = {
            Kind.EXACT: 0,
            Kind.IVF_FLAT: rows * width * FLOAT + ids + cells,
            Kind.IVF_SQ8: rows * width + ids + cells,
            Kind.IVF_PQ: rows * self.parts + ids + cells,
            Kind.IVF_PQ4: rows * self.parts // 2 + ids + cells,
            Kind.HNSW: rows * (width * FLOAT + self.links * 2 * FLOAT + 8),
        }
        return sizes[self.kind]

    @property
    def least_rows(self) -> int:
        """So many vectors it is learned from at least."""
        return max(self.cells, LEAST_TO_CODE.get(self.kind, 0))

    def refuse_few(self, rows: int, whose: str) -> None:
        """Says where there are too few vectors for such an index."""
        if rows < self.least_rows:
            raise InputError(
                f"{whose}: an index {self} is learned from {self.least_rows:,} vectors at least, found {rows:,}; choose"
                " exact, or fewer cells, or fewer shards"
            )


LEAST_TO_CODE = {Kind.IVF_PQ: 256, Kind.IVF_PQ4: 16}
"""So many vectors the words of a code are learned from at least."""


@dataclass(frozen=True)
class Effort:
    """How hard an index is searched: cells looked into, breadth of the walk, and for codes how many times the entries
    asked for are scored again."""

    probes: int = 1
    breadth: int = 1
    again: int = 1

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    def wider(self, share: float) -> Effort:
        """The effort where only this share of the vectors may be found."""
        factor = 1 / max(share, 1e-9)
        return Effort(math.ceil(self.probes * factor), math.ceil(self.breadth * factor), self.again)
