"""The steps that index, declared."""

from __future__ import annotations

from daybreak.candidates import CONTENT, LOOKS
from daybreak.contracts import Dataset
from daybreak.datasets import ITEMS, USERS
from daybreak.embeddings import ARRIVALS, EMBEDDING_RUNS, EMBEDDINGS
from daybreak.features.described import ITEM_TEXT
from daybreak.indexes import INDEX_BUILDS, INDEX_GATES
from daybreak.learning import CHAMPIONS, TOWER_CANDIDATES
from daybreak.steps import StepSpec

VECTORS: tuple[Dataset, ...] = (EMBEDDINGS, EMBEDDING_RUNS, ITEMS, USERS)

STEPS = (
    StepSpec("indexing.shard", target="indexing.shard:run", config="indexing.shard:ShardConfig", reads=VECTORS),
    StepSpec(
        "indexing.publish",
        target="indexing.publish:run",
        config="indexing.publish:PublishConfig",
        reads=(*VECTORS, CHAMPIONS),
        writes=(INDEX_GATES, INDEX_BUILDS),
    ),
    StepSpec(
        "indexing.candidates",
        target="indexing.candidates:run",
        config="indexing.candidates:CandidatesConfig",
        reads=(INDEX_BUILDS,),
        writes=(TOWER_CANDIDATES,),
    ),
    StepSpec(
        "indexing.content",
        target="indexing.content:run",
        config="indexing.content:ContentConfig",
        reads=(ITEMS, ITEM_TEXT.dataset),
        writes=(CONTENT,),
    ),
    StepSpec(
        "indexing.looks",
        target="indexing.looks:run",
        config="indexing.looks:LooksConfig",
        reads=(ITEMS,),
        writes=(LOOKS,),
    ),
    StepSpec(
        "indexing.delta",
        target="indexing.delta:run",
        config="indexing.delta:DeltaConfig",
        reads=(ARRIVALS, ITEMS),
    ),
)
