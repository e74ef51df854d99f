"""A day gets training rows once its labels cannot change any more and its features are there, and not before."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from daybreak.contracts import Dataset
from daybreak.datasets import DELIVERIES
from daybreak.errors import InputError
from daybreak.features.declaration import FeatureView
from daybreak.features.services import RANKER
from daybreak.features.training import RANKER_ROWS
from daybreak.lake import Lake
from daybreak.lake.schemas import full_schema
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from jobs.training_days import TrainingDays, training_days
from tests.lake import io_of
from tests.tiny import day

VIEWS = [chosen.view for chosen in RANKER.chosen]
NIGHTLY = next(view for view in VIEWS if view.nightly)
STATES = next(view for view in VIEWS if not view.nightly)
STEP = "jobs.training_set"
MATURITY = 3


def commit(lake: Lake, dataset: Dataset, nights: Iterable[int]) -> None:
    """Nights that some step has written, with no rows."""
    days = [day(night) for night in nights]
    lake.table(dataset).replace(full_schema(dataset).empty_table(), lake.begin("test", days[-1]), days=days)


def land(lake: Lake, landed: Iterable[int], built: Iterable[int], views: Iterable[FeatureView] = VIEWS) -> None:
    commit(lake, DELIVERIES, landed)
    for view in views:
        commit(lake, view.dataset, built)


def found(settings: Settings, lake: Lake, night: int) -> TrainingDays:
    return training_days(io_of(STEP, settings, day(night)), VIEWS, MATURITY)


def days(*numbers: int) -> list[str]:
    return [day(number) for number in numbers]


def test_the_day_that_grew_mature_and_those_before_it_are_made(settings: Settings, lake: Lake) -> None:
    """From the first day of all, of which nothing could be known."""
    land(lake, range(10), range(10))
    assert found(settings, lake, 9) == TrainingDays(days(0, 1, 2, 3, 4, 5, 6), [], [])


def test_what_is_written_is_not_made_again_except_tonights(settings: Settings, lake: Lake) -> None:
    """A second run of a night makes its own day anew."""
    land(lake, range(10), range(10))
    commit(lake, RANKER_ROWS, range(7))
    assert found(settings, lake, 9).ready == days(6)


def test_a_day_waits_for_every_night_that_could_deliver_its_outcomes(settings: Settings, lake: Lake) -> None:
    """Night 5 was never landed: days 2 to 4 wait for it, and day 5 itself has no rows to make."""
    nights = [night for night in range(10) if night != 5]
    land(lake, nights, nights)
    assert found(settings, lake, 9) == TrainingDays(days(0, 1, 6), days(2, 3, 4), [])
    land(lake, [5], [5])
    assert found(settings, lake, 9).ready == days(0, 1, 2, 3, 4, 5, 6)


def test_a_day_waits_for_the_features_of_the_two_nights_before(settings: Settings, lake: Lake) -> None:
    """One view begins with night 4: day 5 lacks the night that was known until the morning, day 6 lacks none."""
    land(lake, range(10), range(10), [view for view in VIEWS if view is not NIGHTLY])
    commit(lake, NIGHTLY.dataset, range(4, 10))
    assert found(settings, lake, 9) == TrainingDays(days(0, 6), [], days(1, 2, 3, 4, 5))


def test_states_are_whole_up_to_the_last_night_that_was_built(settings: Settings, lake: Lake) -> None:
    """A night without states leaves no night in their table; one that was built later is enough."""
    land(lake, range(10), range(10), [view for view in VIEWS if view is not STATES])
    commit(lake, STATES.dataset, [4])
    assert found(settings, lake, 9) == TrainingDays(days(0, 1, 2, 3, 4, 5), [], days(6))


def test_no_further_back_than_the_history_that_is_wanted(settings: Settings, lake: Lake) -> None:
    """A lake of many nights whose rows were never made gets those of late."""
    land(lake, range(30), range(30))
    assert found(settings, lake, 29).ready == days(*range(26 - settings.feature_history_days, 27))


def test_a_night_on_which_no_day_is_ready_writes_nothing(settings: Settings, lake: Lake) -> None:
    """The first night of a lake ends well; one that was never landed is refused."""
    land(lake, [0], [0])
    (record,) = run_steps([step_named(STEP)], day(0), settings)
    assert (record.summary["days"], record.outputs) == (0, [])
    with pytest.raises(InputError, match=f"raw/deliveries has no day {day(1)}"):
        run_steps([step_named(STEP)], day(1), settings)
