"""The Spark steps, declared."""

from __future__ import annotations

from daybreak.candidates import (
    BM25,
    CO_PURCHASE,
    CO_VIEW,
    COOCCURRENCE,
    LIVELY_PEOPLE,
    PEOPLE_PAIRS,
    POPULARITY,
    SEGMENTS,
    TRENDING,
)
from daybreak.contracts import Dataset
from daybreak.datasets import DELIVERED, DELIVERIES, EDGES, EVENTS, ITEMS, LANDINGS, QUARANTINE, USERS
from daybreak.features.counted import (
    ITEM_ACTIVITY,
    USER_ACTIVITY,
    USER_BRAND,
    USER_CATEGORY,
    USER_ITEM,
    USER_SESSIONS,
)
from daybreak.features.declaration import FeatureView
from daybreak.features.described import ITEM_CATALOGUE, ITEM_TEXT, USER_GRAPH, USER_PROFILE
from daybreak.features.partials import (
    ITEM_DAYS,
    LAST_ITEMS,
    PAIR_DAYS,
    PARTIALS,
    SESSION_DAYS,
    TASTE_DAYS,
    USER_DAYS,
)
from daybreak.features.services import RANKER
from daybreak.features.text_basis import TEXT_BASIS
from daybreak.features.training import RANKER_ROWS
from daybreak.steps import StepSpec


def _feature_job(
    view: FeatureView, *reads: Dataset, config: str = "FeatureConfig", also_writes: tuple[Dataset, ...] = ()
) -> StepSpec:
    """The job that makes a view. Which nights were landed, `raw/deliveries` tells."""
    return StepSpec(
        view.made_by,
        target=f"{view.made_by}:run",
        config=f"{view.made_by}:{config}",
        reads=(*reads, DELIVERIES),
        writes=(view.dataset, *also_writes),
        runtime="spark",
    )


def _counting_job(view: FeatureView, *partials: Dataset) -> StepSpec:
    """The same for one that counts. Whether the partials hold all events, `raw/events` tells."""
    return _feature_job(view, *partials, EVENTS)


STEPS = (
    StepSpec(
        "jobs.ingest",
        target="jobs.ingest:run",
        config="jobs.ingest:IngestConfig",
        reads=DELIVERED,
        writes=(*DELIVERED, QUARANTINE, LANDINGS, DELIVERIES),
        runtime="spark",
    ),
    StepSpec(
        "jobs.partials",
        target="jobs.partials:run",
        config="jobs.partials:PartialsConfig",
        reads=(EVENTS, ITEMS, DELIVERIES),
        writes=PARTIALS,
        runtime="spark",
    ),
    _feature_job(USER_PROFILE, USERS),
    _feature_job(ITEM_CATALOGUE, ITEMS),
    _feature_job(ITEM_TEXT, ITEMS, config="ItemTextConfig", also_writes=(TEXT_BASIS,)),
    _feature_job(USER_GRAPH, EDGES, config="UserGraphConfig"),
    _counting_job(USER_ACTIVITY, USER_DAYS),
    _counting_job(ITEM_ACTIVITY, ITEM_DAYS),
    _counting_job(USER_SESSIONS, USER_DAYS, SESSION_DAYS, LAST_ITEMS),
    _counting_job(USER_CATEGORY, TASTE_DAYS),
    _counting_job(USER_BRAND, TASTE_DAYS),
    _counting_job(USER_ITEM, PAIR_DAYS),
    StepSpec(
        "jobs.popularity",
        target="jobs.popularity:run",
        config="jobs.popularity:PopularityConfig",
        reads=(EVENTS,),
        writes=(POPULARITY,),
        runtime="spark",
    ),
    StepSpec(
        "jobs.trending",
        target="jobs.trending:run",
        config="jobs.trending:TrendingConfig",
        reads=(EVENTS,),
        writes=(TRENDING,),
        runtime="spark",
    ),
    StepSpec(
        "jobs.cooccurrence",
        target="jobs.cooccurrence:run",
        config="jobs.cooccurrence:CooccurrenceConfig",
        reads=(EVENTS,),
        writes=(COOCCURRENCE,),
        runtime="spark",
    ),
    StepSpec(
        "jobs.segments",
        target="jobs.segments:run",
        config="jobs.segments:SegmentsConfig",
        reads=(EVENTS, USERS),
        writes=(SEGMENTS,),
        runtime="spark",
    ),
    StepSpec(
        "jobs.co_view",
        target="jobs.co_view:run",
        config="jobs.co_view:CoViewConfig",
        reads=(EVENTS,),
        writes=(CO_VIEW,),
        runtime="spark",
    ),
    StepSpec(
        "jobs.co_purchase",
        target="jobs.co_purchase:run",
        config="jobs.co_purchase:CoPurchaseConfig",
        reads=(EVENTS,),
        writes=(CO_PURCHASE,),
        runtime="spark",
    ),
    StepSpec(
        "jobs.bm25",
        target="jobs.bm25:run",
        config="jobs.bm25:BM25Config",
        reads=(EVENTS,),
        writes=(BM25,),
        runtime="spark",
    ),
    StepSpec(
        "jobs.people_pairs",
        target="jobs.people_pairs:run",
        config="jobs.people_pairs:PeoplePairsConfig",
        reads=(EDGES, USERS),
        writes=(PEOPLE_PAIRS, LIVELY_PEOPLE),
    ),
    StepSpec(
        "jobs.training_set",
        target="jobs.training_set:run",
        config="jobs.training_set:TrainingSetConfig",
        reads=(EVENTS, ITEMS, DELIVERIES, ITEM_DAYS, *(chosen.view.dataset for chosen in RANKER.chosen)),
        writes=(RANKER_ROWS,),
        runtime="spark",
    ),
)
