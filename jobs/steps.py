"""The Spark steps, declared."""

from __future__ import annotations

from daybreak.datasets import COOCCURRENCE, DELIVERED, DELIVERIES, EVENTS, LANDINGS, POPULARITY, QUARANTINE, TRENDING
from daybreak.steps import StepSpec

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
)
