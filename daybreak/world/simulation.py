"""Simulating some days of a world into a home, in one process or several."""

from __future__ import annotations

import json
import multiprocessing
import shutil
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass

from daybreak.datasets import DELIVERED
from daybreak.errors import InputError
from daybreak.files import write_atomically
from daybreak.world.delivery import LEDGERS, Destination, Ledger, deliver_day
from daybreak.world.parameters import World, world_from_json
from daybreak.world.soiling import Dirt
from daybreak.world.truth import WORLD_FILE

OnDay = Callable[[Ledger], None]


@dataclass(frozen=True)
class Simulation:
    """Which days of which world to write where. Days count from 0; how many are written changes none of them."""

    world: World
    days: int
    to: Destination
    first: int = 0
    dirt: tuple[Dirt, ...] = ()
    workers: int = 1

    def __post_init__(self) -> None:
        if self.days < 1 or self.first < 0 or self.workers < 1:
            raise InputError("a simulation needs at least one day, on or after the first of its world, and one worker")
        if self.to.plain and any(dirt.name == "truncated_gzip" for dirt in self.dirt):
            raise InputError("dirt truncated_gzip needs compressed files: leave out --plain")

    @property
    def offsets(self) -> range:
        return range(self.first, self.first + self.days)


def simulate(simulation: Simulation, on_day: OnDay, *, replace: bool = False) -> list[Ledger]:
    """Writes the days and returns their ledgers in order; `on_day` hears of each as it is done.

    A home holds one world. Another one is refused unless `replace`, which removes every delivery of the one before.
    """
    _settle(simulation, replace)
    tasks = [(simulation.world, offset, simulation.to, simulation.dirt) for offset in simulation.offsets]
    ledgers: list[Ledger] = []
    if simulation.workers == 1:
        for task in tasks:
            ledgers.append(deliver_day(*task))
            on_day(ledgers[-1])
        return ledgers
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(simulation.workers, mp_context=spawn) as pool:
        for done in as_completed([pool.submit(deliver_day, *task) for task in tasks]):
            ledgers.append(done.result())
            on_day(ledgers[-1])
    return sorted(ledgers, key=lambda ledger: ledger.ds)


def _settle(simulation: Simulation, replace: bool) -> None:
    """Makes sure that the home holds this world and no other, and writes its parameters down."""
    path = simulation.to.world / WORLD_FILE
    if path.exists():
        known = world_from_json(json.loads(path.read_text(encoding="utf-8")))
        if known != simulation.world and not replace:
            raise InputError(
                f"{path} describes another world ({_told(known)}) than the one asked for ({_told(simulation.world)}): "
                "ask for the same, choose another home, or add --replace to remove its deliveries"
            )
        if known != simulation.world:
            _clear(simulation.to)
    facts = simulation.world.to_json() | {"dirt": [str(dirt) for dirt in simulation.dirt]}
    write_atomically(path, json.dumps(facts, indent=2).encode())


def _clear(to: Destination) -> None:
    """Removes the deliveries that an earlier world has made, by its ledgers, and nothing else."""
    for ledger in sorted((to.world / LEDGERS).glob("*.json")):
        for dataset in DELIVERED:
            shutil.rmtree(to.folder(dataset.short_name, ledger.stem), ignore_errors=True)
        ledger.unlink()


def _told(world: World) -> str:
    return ", ".join(f"{name} {value}" for name, value in world.to_json().items() if value != [])
