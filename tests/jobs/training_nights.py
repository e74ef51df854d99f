"""A week of small nights with features and training rows, made once for all tests that need one."""

from __future__ import annotations

from random import Random

from daybreak.datasets import USERS
from daybreak.lake import Lake
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from tests.jobs.feature_nights import COUNTED_STEPS, DESCRIBED_STEPS, build, item_state, land_nights, random_events
from tests.lake import put_days
from tests.tiny import Row, day

NIGHTS = 7
"""Nights 0 to 6: night 6 makes the labels of day 3 mature."""

SHOWN_DAY = 3
FEATURE_STEPS = (*COUNTED_STEPS, *DESCRIBED_STEPS, "item_text")
SELDOM = {
    "event_id": "seldom",
    "event_ts": f"{day(SHOWN_DAY - 1)}T09:00:00+00:00",
    "user_id": "u-seldom",
    "item_id": "i1",
    "event_type": "impression",
}
"""The only event of a user: every other one is there every day."""

WORDS = ("red", "blue", "chair", "lamp", "wooden", "soft")


def train(settings: Settings, *nights: int) -> None:
    for night in nights:
        run_steps([step_named("jobs.training_set")], day(night), settings)


def make_week(settings: Settings) -> None:
    """Lands the nights, makes the features of those before the shown day, and the training rows up to it at once."""
    lake, random = Lake.of(settings), Random(17)
    changed = {night: [n for n in range(16) if not n % (night + 1)] for night in range(NIGHTS)}
    items = {
        night: [item_state(f"i{n}", night, n + night, title=_title(random)) for n in numbers if n]
        for night, numbers in changed.items()
    }
    users = {
        day(night): [_user(f"u{n}", night, n + night) for n in numbers if n < 12] for night, numbers in changed.items()
    }
    events = {night: random_events(random, night, most=90) for night in range(NIGHTS)}
    events[SHOWN_DAY - 1].append(SELDOM)
    land_nights(lake, events, items)
    put_days(lake, USERS, users)
    build(settings, SHOWN_DAY - 1, FEATURE_STEPS)
    train(settings, NIGHTS - 1)


def _user(name: str, night: int, number: int) -> Row:
    return {
        "user_id": name,
        "updated_ts": f"{day(night)}T00:00:00+00:00",
        "signup_ts": f"{day(0)}T00:00:00+00:00",
        "country": ("DE", "FR", None)[number % 3],
        "status": "active",
    }


def _title(random: Random) -> str:
    return " ".join(random.choices(WORDS, k=3))
