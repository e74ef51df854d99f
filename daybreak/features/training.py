"""Training rows: what was shown or wanted, what came of it, and what was known at that moment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from daybreak.contracts import SHARE, Column, ColumnType, Dataset, OneOf
from daybreak.errors import InputError
from daybreak.features.declaration import FeatureService
from daybreak.features.on_request import REQUEST_TS
from daybreak.features.services import RANKER

STRING, INT32, FLOAT64 = ColumnType.STRING, ColumnType.INT32, ColumnType.FLOAT64
BOOL, TIMESTAMP = ColumnType.BOOL, ColumnType.TIMESTAMP

SHOWN, UNPROMPTED, SAMPLED = "shown", "unprompted", "sampled"
KINDS = (SHOWN, UNPROMPTED, SAMPLED)
CLICKED, CARTED, PURCHASED = "clicked", "carted", "purchased"
LABELS = (CLICKED, CARTED, PURCHASED)

MATURITY_DAYS = 3
"""Labels of a day are taken by the night so many days later, unless the step that takes them is told otherwise."""

SPINE = (
    Column("row_id", STRING, "the event that the row is about; a sampled row adds `~` and its number"),
    Column("user_id", STRING, "the user"),
    Column("item_id", STRING, "the item"),
    Column(REQUEST_TS, TIMESTAMP, "the moment of the row: it sees what could be known then, UTC"),
    Column("kind", STRING, "shown to the user, wanted unprompted, or sampled", rules=(OneOf(KINDS),)),
    Column("surface", STRING, "the shelf it was shown on", nullable=True),
    Column("position", INT32, "the place in the shelf, from 0", nullable=True),
    Column(CLICKED, BOOL, "whether the user then viewed, rated, or did more"),
    Column(CARTED, BOOL, "whether the user then put it in the cart"),
    Column(PURCHASED, BOOL, "whether the user then bought it"),
    Column("sampling_probability", FLOAT64, "of a sampled row: the chance of this item in one draw", nullable=True,
           rules=SHARE),
)  # fmt: skip


def training_rows(service: FeatureService) -> Dataset:
    """The table of a service's training rows: the spine, the stored features, and those of the moment."""
    stored = [
        Column(chosen.as_of.output(name), chosen.view.dataset.column(name).type, _doc(chosen.view.name, name), True)
        for chosen in service.chosen
        for name in chosen.names
    ]
    on_request = [Column(feature.name, feature.type, feature.doc, nullable=True) for feature in service.on_request]
    return Dataset(
        name=f"training/{service.name}_rows",
        doc=f"Training rows of the {service.name}: for each moment, what was known then and what came of it.",
        columns=(*SPINE, *stored, *on_request),
        key=("row_id",),
    )


def _doc(view: str, feature: str) -> str:
    return f"`{feature}` of `{view}`, as it could be known then"


RANKER_ROWS = training_rows(RANKER)


@dataclass(frozen=True)
class Split:
    """Days to train on, then days to choose by, then days to judge by: never a later day before an earlier one."""

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]


def temporal_split(days: Sequence[str], validation_days: int = 1, test_days: int = 1) -> Split:
    """The last days for the test, those before them for validation, all earlier ones for training."""
    ordered = tuple(sorted(set(days)))
    held_out = validation_days + test_days
    if validation_days < 1 or test_days < 1 or len(ordered) <= held_out:
        raise InputError(
            f"{len(ordered)} days of training rows cannot be split into {validation_days} to validate,"
            f" {test_days} to test and at least one to train on; wait for more nights or hold out fewer days"
        )
    first_test = len(ordered) - test_days
    return Split(
        ordered[: len(ordered) - held_out], ordered[len(ordered) - held_out : first_test], ordered[first_test:]
    )
