"""Small worlds for the feature jobs: random nights as landed, and the steps that make features of them."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random

from daybreak.datasets import EVENTS, ITEMS
from daybreak.features.declaration import FeatureView
from daybreak.lake import Lake, Window
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from tests.lake import land, put_days
from tests.tiny import Row, day

KINDS = ("impression",) * 5 + ("view", "view", "view", "cart", "purchase", "rating", "dismiss")
COUNTED_STEPS = (
    "partials",
    "user_activity",
    "item_activity",
    "user_sessions",
    "user_category",
    "user_brand",
    "user_item",
)
DESCRIBED_STEPS = ("user_profile", "item_catalogue")
LATENESS = [0] * 8 + [1, 2, 3]


def land_night(lake: Lake, number: int, events: list[Row], items: list[Row] = ()) -> None:
    """A night's events and items, and the account that says the night was landed."""
    land_nights(lake, {number: events}, {number: items} if items else {})


def land_nights(lake: Lake, events: Mapping[int, list[Row]], items: Mapping[int, list[Row]]) -> None:
    """Many nights at once."""
    put_days(lake, EVENTS, {day(number): rows for number, rows in events.items()})
    if items:
        put_days(lake, ITEMS, {day(number): rows for number, rows in items.items()})
    land(lake, *(day(number) for number in events))


def random_events(random: Random, landed: int, users: int = 12, items: int = 15, most: int = 60) -> list[Row]:
    """What a night delivers: events of its day and late ones, at few moments, so that many are equal."""
    rows = []
    for number in range(random.randint(most // 2, most)):
        happened = day(max(landed - random.choice(LATENESS), 0))
        kind = random.choice(KINDS)
        user = random.randint(0, users - 1)
        rows.append(
            {
                "event_id": f"{landed}-{number}",
                "event_ts": f"{happened}T{random.choice((0, 9, 9, 23)):02d}:{random.choice((0, 59)):02d}:00+00:00",
                "user_id": f"u{user}",
                "item_id": f"i{min(int(random.paretovariate(0.6)), items)}",
                "event_type": kind,
                "session_id": random.choice((None, f"s{user}-{random.randint(0, 30)}")),
                "surface": "home" if kind == "impression" else None,
                "price": round(random.uniform(0, 50), 2) if kind == "purchase" else None,
                "rating": float(random.randint(1, 5)) if kind == "rating" else None,
                "dwell_s": random.choice((None, 12.345)) if kind == "view" else None,
            }
        )
    return rows


def item_state(name: str, landed: int, number: int, **more: object) -> Row:
    return {
        "item_id": name,
        "updated_ts": f"{day(landed)}T00:00:00+00:00",
        "title": f"Item {name}",
        "category": f"c{number % 3}",
        "brand": None if number % 5 == 0 else f"b{number % 4}",
        "status": "active",
        **more,
    }


def build(settings: Settings, number: int, steps: tuple[str, ...] = COUNTED_STEPS) -> None:
    run_steps([step_named(f"jobs.{name}") for name in steps], day(number), settings)


def rows_of(lake: Lake, view: FeatureView, number: int) -> dict[tuple[str, ...], Row]:
    """A night's rows of a view, by their keys."""
    rows = lake.table(view.dataset).read(Window(day(number), day(number))).to_pylist()
    found = {tuple(row[key] for key in view.keys): row for row in rows}
    assert len(found) == len(rows), f"{view.name}: a key stands twice on one night"
    return found
