"""The steps that check and report, declared."""

from __future__ import annotations

from daybreak.candidates import COUNTED
from daybreak.datasets import AUDITS, DELIVERED, DELIVERIES, GATES, LANDINGS, LISTS, OVERRIDES, QUARANTINE, SHELVES
from daybreak.features.statistics import FEATURE_STATS
from daybreak.features.views import VIEWS
from daybreak.indexes import INDEX_GATES
from daybreak.steps import StepSpec

STEPS = (
    StepSpec(
        "validation.audit",
        target="validation.audit:run",
        config="validation.audit:AuditConfig",
        reads=(*DELIVERED, DELIVERIES),
        writes=(AUDITS,),
    ),
    StepSpec(
        "validation.feature_stats",
        target="validation.feature_stats:run",
        config="validation.feature_stats:FeatureStatsConfig",
        reads=(DELIVERIES, *(view.dataset for view in VIEWS.values())),
        writes=(FEATURE_STATS,),
    ),
    StepSpec(
        "validation.report",
        target="validation.report.step:run",
        config="validation.report.step:ReportConfig",
        reads=(
            *DELIVERED,
            QUARANTINE,
            LANDINGS,
            DELIVERIES,
            AUDITS,
            *COUNTED,
            LISTS,
            SHELVES,
            GATES,
            OVERRIDES,
            INDEX_GATES,
        ),
    ),
)
