"""Which days' training rows can be told: labels that no night changes any more, and features of every night before.

A click that is still to be delivered is no negative, and what was known is not to be told as unknown. A day whose rows
are written is not made again, so a day that is not ready is left for a later night.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from daybreak.clock import days_before, days_between
from daybreak.datasets import DELIVERIES
from daybreak.features.declaration import FeatureView
from daybreak.features.training import RANKER_ROWS
from daybreak.step_io import StepIO


@dataclass(frozen=True)
class TrainingDays:
    """The days to make, and those that wait: for a night with outcomes that was never landed, or for features."""

    ready: list[str]
    unlabelled: list[str]
    featureless: list[str]


def training_days(io: StepIO, views: Sequence[FeatureView], maturity_days: int) -> TrainingDays:
    """Of the day that grew mature tonight and those of `feature_history_days` before it that have no rows."""
    newest = days_before(io.ds, maturity_days)
    recent = days_between(days_before(newest, io.settings.feature_history_days), newest)
    nights = days_between(days_before(recent[0], 2), io.ds)
    landed = io.written(DELIVERIES, nights)
    built = {view.name: io.written(view.dataset, nights) for view in views}

    def is_labelled(day: str) -> bool:
        return landed.issuperset(days_between(day, days_before(day, -maturity_days)))

    def has_features(day: str) -> bool:
        """On a day the night before is known, and until that one was due the one before it. A view of states is whole
        up to the last night that was built."""
        eve = days_before(day, 1)
        known = landed & {eve, days_before(day, 2)}
        return all(
            known <= built[view.name] if view.nightly else max(built[view.name], default="") >= eve for view in views
        )

    wanted = sorted(landed.intersection(recent) - io.written(RANKER_ROWS, recent[:-1]))
    labelled = [day for day in wanted if is_labelled(day)]
    ready = [day for day in labelled if has_features(day)]
    return TrainingDays(ready, sorted({*wanted} - {*labelled}), sorted({*labelled} - {*ready}))
