"""Plants what nobody could know yet on a day: events, states and ties that arrive later, however old they say they are.

Nothing planted may change the rows of that day. Features and what is offered are of earlier nights, and an outcome
counts if it came after its showing and was delivered by the night on which the day's labels grew mature. So these are
planted, each delivered by the day's own night or one of the next:

- contact of the two days before, late; showings only of pairs that nothing came of, as others would take their
  outcomes;
- contact on the day itself, of each user with an item and of each item with a user who do not exist otherwise: it
  makes rows of its own, whose ids begin with `PLANTED`, and changes none of the others;
- outcomes of the day, delivered one night after its labels were mature;
- states of users and items, and ties between users, that begin before the day or after it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from daybreak.clock import days_before, end_of
from daybreak.contracts import DS, LANDED_DS, ColumnType, Dataset
from daybreak.datasets import EDGES, EVENTS, ITEMS, LATE_DAYS, USERS
from daybreak.features.on_request import REQUEST_TS
from daybreak.features.training import CLICKED
from daybreak.lake import Attempt, Lake, Window
from daybreak.lake.schemas import full_schema

WORK = "daybreak.leaks"
NEWEST = 1 << 40
"""The number of an attempt after any that landed what is there."""

PLANTED = "planted"
MOST_PAIRS = 2_000
SHOWING = "impression"
CONTACT = ("purchase", "cart", "view", "rating", "dismiss")
Row = dict[str, Any]


@dataclass(frozen=True)
class Planted:
    """How many rows of each kind were planted."""

    late_events: int
    events_of_the_day: int
    outcomes_after_maturity: int
    user_states: int
    item_states: int
    ties: int


def plant(lake: Lake, rows: pa.Table, day: str, maturity_days: int) -> Planted:
    """Plants a future of the users and items of these training rows of a day."""
    pairs = rows.slice(0, MOST_PAIRS).select(["row_id", "user_id", "item_id", REQUEST_TS]).to_pylist()
    next_day, too_late = days_before(day, -1), days_before(day, -maturity_days - 1)
    wanted = rows.filter(rows[CLICKED])
    taken = set(zip(wanted["user_id"].to_pylist(), wanted["item_id"].to_pylist(), strict=True))
    late, later = (list(_late_events(pairs, taken, days_before(day, days))) for days in (1, 2))
    of_the_day, outcomes = list(_events_of_the_day(pairs, day)), list(_outcomes(pairs, day))
    _deliver(lake, EVENTS, day, [*late, *of_the_day])
    _deliver(lake, EVENTS, next_day, later)
    _deliver(lake, EVENTS, too_late, outcomes)
    return Planted(
        late_events=len(late) + len(later),
        events_of_the_day=len(of_the_day),
        outcomes_after_maturity=len(outcomes),
        user_states=_plant_states(lake, USERS, pairs, day),
        item_states=_plant_states(lake, ITEMS, pairs, day),
        ties=_plant_ties(lake, pairs, day),
    )


def _late_events(pairs: list[Row], taken: set[tuple[str, str]], happened: str) -> Iterator[Row]:
    """Every kind of contact of each pair; showings of those that are not `taken`."""
    noon = end_of(happened) - timedelta(hours=12)
    for pair in pairs:
        if (pair["user_id"], pair["item_id"]) not in taken:
            yield _event(pair, SHOWING, noon)
        for kind in CONTACT:
            yield _event(pair, kind, noon)


def _events_of_the_day(pairs: list[Row], day: str) -> Iterator[Row]:
    """Every kind of contact of each user and of each item, with nobody else's counterpart."""
    evening = end_of(day) - timedelta(hours=1)
    for column in ("user_id", "item_id"):
        other = {"user_id": "item_id", "item_id": "user_id"}[column]
        for name in sorted({pair[column] for pair in pairs}):
            pair = {"row_id": f"{column}-{name}", column: name, other: f"{PLANTED}-{name}"}
            for kind in (SHOWING, *CONTACT):
                yield _event(pair, kind, evening)


def _outcomes(pairs: list[Row], day: str) -> Iterator[Row]:
    """What would be an outcome of each row, had it come in time."""
    for pair in pairs:
        yield _event(pair, "purchase", min(pair[REQUEST_TS] + timedelta(minutes=1), end_of(day) - timedelta(seconds=1)))


def _event(pair: Row, kind: str, moment: datetime) -> Row:
    told: Row = {"event_id": f"{PLANTED}-{kind}-{pair['row_id']}-{moment:%d}", "event_type": kind, "event_ts": moment}
    told |= {"user_id": pair["user_id"], "item_id": pair["item_id"], DS: moment.date().isoformat()}
    told |= {"session_id": f"{PLANTED}-{pair['user_id']}"}
    return told | {"purchase": {"price": 99_999.0}, "view": {"dwell_s": 80_000.0}, "rating": {"rating": 9.75}}.get(
        kind, {}
    )


def _plant_states(lake: Lake, dataset: Dataset, pairs: list[Row], day: str) -> int:
    """A state for each entity that begins before the day and comes on it, and one that begins and comes after."""
    (key,) = dataset.key
    wanted = pa.array(sorted({pair[key] for pair in pairs}))
    known = lake.table(dataset).read(Window(until=day))
    known = known.filter(pc.is_in(known.column(key), wanted))
    newest = {row[key]: row for row in known.sort_by([("updated_ts", "ascending")]).to_pylist()}
    before, after = end_of(days_before(day, 2)), end_of(days_before(day, -1)) - timedelta(hours=12)
    next_day = days_before(day, -1)
    _deliver(lake, dataset, day, [_altered(row, dataset, before, day) for row in newest.values()])
    _deliver(lake, dataset, next_day, [_altered(row, dataset, after, next_day) for row in newest.values()])
    return 2 * len(newest)


def _altered(row: Row, dataset: Dataset, began: datetime, ds: str) -> Row:
    """The state with all that it tells changed, but whether it holds."""
    altered = {**row, "updated_ts": began, DS: ds}
    for column in dataset.columns:
        if column.name not in (*dataset.key, "updated_ts", "status"):
            altered[column.name] = _other(column.type, began)
    return altered


def _other(kind: ColumnType, began: datetime) -> Any:
    values = {
        ColumnType.STRING: f"{PLANTED} for the proof that nothing leaks",
        ColumnType.FLOAT64: 4_321.0,
        ColumnType.TIMESTAMP: began,
    }
    return values.get(kind)


def _plant_ties(lake: Lake, pairs: list[Row], day: str) -> int:
    """Ties of each user with the next two, told before the day and delivered by its night, and the same a day later."""
    users = sorted({pair["user_id"] for pair in pairs})
    planted = 0
    for night, began in ((day, end_of(days_before(day, 2))), (days_before(day, -1), end_of(day))):
        ties = [
            {"src_user_id": src, "dst_user_id": dst, "edge_type": kind, "updated_ts": began, "status": "active"}
            for step in (1, 2)
            for src, dst in zip(users, users[step:], strict=False)
            for kind in ("friend", "follow")
        ]
        _deliver(lake, EDGES, night, [{**tie, DS: night} for tie in ties])
        planted += len(ties)
    return planted


def _deliver(lake: Lake, dataset: Dataset, night: str, rows: list[Row]) -> None:
    """Adds rows to what a night delivered."""
    table = lake.table(dataset)
    schema = full_schema(dataset)
    landed = {LANDED_DS: night} if LANDED_DS in dataset.partition else {}
    since = days_before(night, LATE_DAYS) if landed else night
    there = table.read(Window(since=since, until=night))
    there = there.filter(pc.equal(there.column(dataset.replaced_by), night))
    planted = pa.Table.from_pylist([{**row, **landed} for row in rows], schema=schema)
    table.replace(pa.concat_tables([there, planted]), Attempt(WORK, night, NEWEST))
