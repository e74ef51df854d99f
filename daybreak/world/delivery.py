"""A day's delivery: the files of events, users, items and edges, and the ledger that says what was put in them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from daybreak.datasets import EDGES, EVENTS, ITEMS, USERS
from daybreak.draws import Ints, chunks
from daybreak.files import write_atomically
from daybreak.world.catalogue import catalogue_at
from daybreak.world.day_file import DayFile
from daybreak.world.edges import edge_lines, edges_on
from daybreak.world.event_lines import EventWriter
from daybreak.world.happenings import happenings, with_extra_copies
from daybreak.world.item_lines import changed_items, item_lines
from daybreak.world.pace import pace_of
from daybreak.world.parameters import World
from daybreak.world.soiling import Dirt, Soiler, faults_on
from daybreak.world.user_lines import changed_users, user_lines
from daybreak.world.visits import delivered_on

EVENTS_A_CHUNK, MOST_USERS_A_CHUNK = 100_000, 65_536
ROWS_A_CHUNK = 32_768
LEDGERS = "days"


@dataclass(frozen=True)
class Destination:
    """Where a simulation writes: deliveries to `landing`, the truth to `world`."""

    landing: Path
    world: Path
    plain: bool = False

    def folder(self, dataset: str, ds: str) -> Path:
        return self.landing / dataset / f"ds={ds}"

    def ledger(self, ds: str) -> Path:
        return self.world / LEDGERS / f"{ds}.json"


@dataclass
class Ledger:
    """What a day's files hold. Clean rows only, but for `dirt` (bad rows by kind) and `faults` (of the events file).

    Of the events, `duplicates` are rows that an earlier place has delivered already, and `late` those of an earlier day
    that are no duplicates.
    """

    ds: str
    events: int = 0
    late: int = 0
    duplicates: int = 0
    users: int = 0
    items: int = 0
    edges: int = 0
    event_types: dict[str, int] = field(default_factory=dict)
    dirt: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def deliver_day(world: World, offset: int, to: Destination, dirt: tuple[Dirt, ...] = ()) -> Ledger:
    """Writes the files of one day and its ledger; doing it again writes the same bytes."""
    ds = world.day(offset).isoformat()
    ledger = Ledger(ds, faults=faults_on(world, offset, dirt))
    soiler = Soiler(world, offset, dirt)
    with DayFile(to.folder(EVENTS.short_name, ds), to.plain, tuple(ledger.faults)) as file:
        for text in event_chunks(world, offset, ledger):
            file.write(soiler.soil(text))
    ledger.dirt = soiler.counts
    with DayFile(to.folder(USERS.short_name, ds), to.plain) as file:
        for index in chunks(world.users_by(offset), ROWS_A_CHUNK):
            users = changed_users(world, index, offset)
            ledger.users += users.index.size
            file.write(user_lines(world, users, offset))
    with DayFile(to.folder(ITEMS.short_name, ds), to.plain) as file:
        for index in chunks(world.items_by(offset), ROWS_A_CHUNK):
            items = changed_items(world, index, offset)
            ledger.items += items.size
            file.write(item_lines(world, items, offset))
    with DayFile(to.folder(EDGES.short_name, ds), to.plain) as file:
        for index in chunks(world.users_by(offset), ROWS_A_CHUNK):
            edges = edges_on(world, index, offset)
            ledger.edges += edges.src.size
            file.write(edge_lines(world, edges, offset))
    write_atomically(to.ledger(ds), json.dumps(ledger.to_json(), indent=2).encode())
    return ledger


def event_chunks(world: World, offset: int, ledger: Ledger) -> Iterator[bytes]:
    """The events in the files of a day, as JSON lines, about a hundred thousand at a time; counted in `ledger`."""
    events_a_user = world.events_per_day / world.users
    size = max(1, min(MOST_USERS_A_CHUNK, int(EVENTS_A_CHUNK / events_a_user)))
    for index in chunks(world.users_by(offset), size):
        yield b"".join(_event_texts(world, offset, index, ledger))


def _event_texts(world: World, offset: int, index: Ints, ledger: Ledger) -> Iterator[bytes]:
    for visits in delivered_on(world, index, offset, pace_of(world)):
        catalogue = catalogue_at(world, visits.offset)
        writer = EventWriter(world.day(visits.offset), visits, catalogue)
        for block in happenings(world, visits, catalogue):
            copied, copies = with_extra_copies(world, visits, block)
            rows = copied.visit.size
            repeated = rows if visits.again else copies
            ledger.events += rows
            ledger.duplicates += repeated
            ledger.late += (rows - repeated) if visits.offset < offset else 0
            ledger.event_types[block.event_type] = ledger.event_types.get(block.event_type, 0) + rows
            yield writer.lines(copied)
