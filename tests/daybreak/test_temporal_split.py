"""Days to train on, to choose by and to judge by follow each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daybreak.errors import InputError
from daybreak.features.training import temporal_split
from tests.tiny import day

DAYS = st.lists(st.integers(0, 60).map(day), min_size=1, max_size=40)


@given(DAYS, st.integers(1, 5), st.integers(1, 5))
def test_no_day_is_judged_by_that_was_trained_on_or_lies_before_one(
    days: list[str], validation_days: int, test_days: int
) -> None:
    """Every day is somewhere once, in order; where there are too few, the sentence says how many are needed."""
    if len(set(days)) <= validation_days + test_days:
        with pytest.raises(InputError, match=f"{len(set(days))} days of training rows cannot be split"):
            temporal_split(days, validation_days, test_days)
        return
    split = temporal_split(days, validation_days, test_days)
    assert [*split.train, *split.validation, *split.test] == sorted(set(days))
    assert (len(split.validation), len(split.test)) == (validation_days, test_days)


@pytest.mark.parametrize(("validation_days", "test_days"), [(0, 1), (1, 0)])
def test_days_to_choose_and_to_judge_by_are_not_left_out(validation_days: int, test_days: int) -> None:
    """A model that was chosen by the days it is judged by looks better than it is."""
    with pytest.raises(InputError):
        temporal_split([day(number) for number in range(9)], validation_days, test_days)
