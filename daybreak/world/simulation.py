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
from daybreak.world.parameters import WORLD_FILE, World, known_world
from daybreak.world.soiling import Dirt

OnDay = Callable[[Ledger], None]

MOST_DAYS = 100_000


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
        if self.offsets.stop > MOST_DAYS:
            raise InputError(
                f"a simulation ends within the first {MOST_DAYS:,} days of its world, not with day "
                f"{self.offsets.stop:,}: ask for fewer days"
            )
        if self.to.plain and any(dirt.name == "truncated_gzip" for dirt in self.dirt):
            raise InputError("dirt truncated_gzip needs compressed files: leave out --plain")

    @property
    def offsets(self) -> range:
        return range(self.first, self.first + self.days)


def simulate(simulation: Simulation, on_day: OnDay, *, replace: bool = False) -> list[Ledger]:
    """Writes the days and returns their ledgers in order; `on_day` hears of each as it is done.

    A home holds one world. Another one is refused unless `replace`, which removes every delivery of the one before.
    """
    try:
        _settle(simulation, replace)
        return _deliver(simulation, on_day)
    except OSError as error:
        raise InputError(
            f"the simulation could not write to {simulation.to.landing} or {simulation.to.world}: "
            f"{error.strerror or error}; make room or allow writing there and run the same command again"
        ) from None


def _deliver(simulation: Simulation, on_day: OnDay) -> list[Ledger]:
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
    known = known_world(simulation.to.world)
    if known is None:
        _refuse_other_deliveries(simulation)
    elif known != simulation.world:
        if not replace:
            raise InputError(
                f"{path} describes another world ({_told(known)}) than the one asked for ({_told(simulation.world)}): "
                "ask for the same, choose another home, or add --replace to remove its deliveries"
            )
        _clear(simulation.to)
    facts = simulation.world.to_json() | {"dirt": [str(dirt) for dirt in simulation.dirt]}
    write_atomically(path, json.dumps(facts, indent=2).encode())


def _refuse_other_deliveries(simulation: Simulation) -> None:
    """Raises where a day to be written holds files, of an import or of anyone's, that no simulation has made."""
    for offset in simulation.offsets:
        for dataset in DELIVERED:
            folder = simulation.to.folder(dataset.short_name, simulation.world.day(offset).isoformat())
            if folder.is_dir() and any(folder.iterdir()):
                raise InputError(
                    f"{folder} holds a delivery that no simulation has made: simulate into another home "
                    "(DAYBREAK_HOME), or move it away"
                )


def _clear(to: Destination) -> None:
    """Removes the deliveries that an earlier world has made, by its ledgers, and nothing else."""
    for ledger in sorted((to.world / LEDGERS).glob("*.json")):
        for dataset in DELIVERED:
            shutil.rmtree(to.folder(dataset.short_name, ledger.stem), ignore_errors=True)
        ledger.unlink()


def _told(world: World) -> str:
    return ", ".join(f"{name} {value}" for name, value in world.to_json().items() if value != [])
