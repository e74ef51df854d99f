"""The steps from candidates to a live release, declared."""

from __future__ import annotations

from daybreak.candidates import CONTENT
from daybreak.contracts import Dataset
from daybreak.datasets import EDGES, EVENTS, GATES, ITEMS, LISTS, OVERRIDES, SHELVES, USERS
from daybreak.embeddings import EMBEDDING_RUNS, EMBEDDINGS
from daybreak.features.described import ITEM_TEXT
from daybreak.features.services import RANKER
from daybreak.learning import CHAMPIONS, TIE_ORDER
from daybreak.sources import READ
from daybreak.steps import StepSpec

FACTS = (EVENTS, USERS, ITEMS, EDGES)
FEATURES = tuple(chosen.view.dataset for chosen in RANKER.chosen)


def _each_once(*datasets: Dataset) -> tuple[Dataset, ...]:
    return tuple(dict.fromkeys(datasets))


STEPS = (
    StepSpec(
        "serving_export.lists",
        target="serving_export.lists:run",
        config="serving_export.lists:ListsConfig",
        reads=_each_once(*FACTS, *READ, CONTENT, ITEM_TEXT.dataset, *FEATURES, CHAMPIONS, TIE_ORDER),
        writes=(LISTS, SHELVES),
    ),
    StepSpec(
        "serving_export.gates",
        target="serving_export.gates.step:run",
        config="serving_export.gates.step:GatesConfig",
        reads=(*FACTS, LISTS, SHELVES, OVERRIDES, CHAMPIONS, CONTENT, EMBEDDINGS, EMBEDDING_RUNS),
        writes=(GATES,),
    ),
    StepSpec(
        "serving_export.override",
        target="serving_export.override:run",
        config="serving_export.override:OverrideConfig",
        reads=(LISTS,),
        writes=(OVERRIDES,),
    ),
    StepSpec(
        "serving_export.publish",
        target="serving_export.publish:run",
        config="serving_export.publish:PublishConfig",
        reads=(LISTS, GATES, OVERRIDES, ITEMS, USERS, CHAMPIONS),
    ),
)
