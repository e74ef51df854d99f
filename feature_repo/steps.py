"""The steps that keep Feast's registry and the online store, declared."""

from __future__ import annotations

from daybreak.datasets import DELIVERIES
from daybreak.features.online import MATERIALIZED, SKEW
from daybreak.features.views import VIEWS
from daybreak.steps import StepSpec

TABLES = tuple(view.dataset for view in VIEWS.values())

STEPS = (
    StepSpec("feature_repo.apply", target="feature_repo.apply:run", config="feature_repo.apply:ApplyConfig"),
    StepSpec(
        "feature_repo.materialize",
        target="feature_repo.materialize:run",
        config="feature_repo.materialize:MaterializeConfig",
        reads=(DELIVERIES, *TABLES),
        writes=(MATERIALIZED,),
    ),
    StepSpec(
        "feature_repo.skew",
        target="feature_repo.skew:run",
        config="feature_repo.skew:SkewConfig",
        reads=(DELIVERIES, *TABLES, MATERIALIZED),
        writes=(SKEW,),
    ),
)
