"""The steps from candidates to a live release, declared."""

from __future__ import annotations

from daybreak.datasets import EVENTS, GATES, ITEMS, LISTS, USERS
from daybreak.learning import CHAMPIONS
from daybreak.steps import StepSpec
from daybreak.surfaces import SOURCE_TABLES

STEPS = (
    StepSpec(
        "serving_export.lists",
        target="serving_export.lists:run",
        config="serving_export.lists:ListsConfig",
        reads=(EVENTS, USERS, ITEMS, *SOURCE_TABLES.values()),
        writes=(LISTS,),
    ),
    StepSpec(
        "serving_export.gates",
        target="serving_export.gates:run",
        config="serving_export.gates:GatesConfig",
        reads=(EVENTS, USERS, ITEMS, LISTS),
        writes=(GATES,),
    ),
    StepSpec(
        "serving_export.publish",
        target="serving_export.publish:run",
        config="serving_export.publish:PublishConfig",
        reads=(LISTS, GATES, ITEMS, CHAMPIONS),
    ),
)
