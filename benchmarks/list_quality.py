"""What lists are worth, where the truth is known: `python -m benchmarks.list_quality`.

A simulated world of 2,000 users and 1,000 items, whose latent truth says how likely each user is to buy each item on
each day. The night of its thirtieth day is run from the delivered files to the lists, with features for the whole month
behind it, so that the ranker learns from as many days as it would in a world that is not new. Then the truth, which no
step has read, is asked about the first 20 of every list of `for_you` on the day after, at their places: as each source
alone would list, as they are merged, and as the night wrote them, with caps, diversity and places given away for trying
things out. Diversity is told as categories in a list, on average.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from benchmarks.learning import BEFORE, LEARN
from daybreak.clock import parse_day
from daybreak.datasets import LISTS
from daybreak.lake import Lake
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.sources import Entity
from daybreak.step_io import StepIO
from daybreak.steps import step_named
from daybreak.surfaces import load_surfaces
from daybreak.world.delivery import Destination
from daybreak.world.parameters import World
from daybreak.world.simulation import Simulation, simulate
from daybreak.world.truth import Truth, open_truth
from serving_export.arrays import Ints, places
from serving_export.candidates import candidates_of
from serving_export.lists import Kitchen
from serving_export.night import Night, Range, night_of
from serving_export.shelf import QUERY
from training.evaluation.confidence import difference

SURFACE, LENGTH, DAYS = "for_you", 20, 30
STEPS = (
    *BEFORE,
    *(f"jobs.{name}" for name in ("popularity", "segments", "trending", "cooccurrence", "bm25", "co_view")),
    *(f"jobs.{name}" for name in ("co_purchase", "people_pairs")),
    *LEARN,
    *(f"training.{name}" for name in ("candidates", "ease", "tie_order", "embeddings")),
    *(f"indexing.{name}" for name in ("shard", "publish", "candidates", "content", "looks")),
    "serving_export.lists",
)
Floats = NDArray[np.float64]


class Judge:
    """The truth about lists of one night."""

    def __init__(self, night: Night, truth: Truth) -> None:
        self._night, self._truth = night, truth
        self._after = parse_day(night.ds) + timedelta(days=1)
        categories = night.states[Entity.ITEM]["category"].to_pylist()
        self._categories = np.unique([each or "" for each in categories], return_inverse=True)[1]
        self.users = night.active(Entity.USER)

    def told(self, users: Ints, items: Ints, ranks: Ints) -> tuple[Floats, float]:
        """What each user is expected to buy from such a list, and the categories in a list."""
        shown = ranks < LENGTH
        users, items, ranks = users[shown], items[shown], ranks[shown]
        whom, what = self._night.users.of(users).to_pylist(), self._night.items.of(items).to_pylist()
        worth = self._truth.expected_value(whom, what, self._after, ranks)
        kinds = np.unique(users * len(self._categories) + self._categories[items])
        by_user = np.bincount(users, worth, minlength=len(self._night.users))[self.users]
        return by_user, len(kinds) / max(len(np.unique(users)), 1)


def measure(users: int, items: int, seed: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(home=Path(folder), feature_history_days=DAYS - 1)
        world = World(seed=seed, users=users, items=items, events_per_day=25 * users)
        simulate(Simulation(world, DAYS, Destination(settings.landing, settings.world)), lambda _: None)
        ds = world.day(DAYS - 1).isoformat()
        run_steps([step_named(name) for name in STEPS], ds, settings)
        lake = Lake.of(settings)
        io = StepIO(step_named("serving_export.gates"), ds, settings, lake, lake.begin("bench", ds))
        lists = io.day(LISTS)
        found = _found(settings, ds, lists)
    return _told(found, seed)


def _found(settings: Settings, ds: str, lists: pa.Table) -> dict[str, tuple[Floats, float]]:
    """Of each source alone, of all merged, and of the lists as written: worth by user, and categories."""
    surface = load_surfaces(settings.surfaces)[SURFACE]
    lake = Lake.of(settings)
    io = StepIO(step_named("serving_export.lists"), ds, settings, lake, lake.begin("bench", ds))
    with night_of(io, "2GB") as night:
        judge = Judge(night, open_truth(settings.world))
        everybody = Range(0, len(night.users))
        shelf, _ = Kitchen.of(night, {SURFACE: surface}).shelf(
            SURFACE, surface, candidates_of(surface, night), everybody
        )
        found = {
            name.value: judge.told(proposed.queries, proposed.candidates, proposed.ranks)
            for name, proposed, _ in shelf.proposing.proposals(judge.users)
            if len(proposed.queries)
        }
        merged = shelf.proposing.merged(judge.users, surface.rank.candidates)
        found["merged"] = judge.told(merged.queries, merged.candidates, places(merged.queries))
        written = lists.filter(pc.and_(pc.equal(lists["surface"], SURFACE), pc.equal(lists["audience"], QUERY)))
        queries, candidates = night.users.numbers(written["query_id"]), night.items.numbers(written["candidate_id"])
        found["lists"] = judge.told(queries, candidates, written["rank"].to_numpy().astype(np.int64))
        return found


def _told(found: dict[str, tuple[Floats, float]], seed: int) -> dict[str, Any]:
    alone = {name: each for name, each in found.items() if name not in ("merged", "lists")}
    best = max(alone, key=lambda name: alone[name][0].mean())
    final, bar = found["lists"], found[best]
    gain = difference(final[0], bar[0], seed)
    rows = [
        {"what": f"{name}: purchases expected, categories", "value": f"{worth.mean():.4f} {kinds:.2f}"}
        for name, (worth, kinds) in sorted(found.items(), key=lambda each: -each[1][0].mean())
    ]
    share = f"{gain.mean / bar[0].mean():+.1%} ({gain.low / bar[0].mean():+.1%} to {gain.high / bar[0].mean():+.1%})"
    rows.append({"what": f"lists beyond {best}, the best source alone", "value": share})
    rows.append({"what": f"categories in a list, times those of {best}", "value": f"{final[1] / bar[1]:.2f}"})
    figures = {name: {"purchases": worth.mean(), "categories": kinds} for name, (worth, kinds) in found.items()}
    return {"rows": rows, "figures": figures, "gain": gain.mean / bar[0].mean()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--users", type=int, default=2_000)
    parser.add_argument("--items", type=int, default=1_000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    print(json.dumps(measure(options.users, options.items, options.seed)))


if __name__ == "__main__":
    main()
