"""How well our closed-form teacher retrieves, against public peers on public data: `python -m benchmarks.quality`.

MovieLens is cut by one moment for all users: settings of every model, ours too, are chosen by NDCG@20 on the ratings
from 80% to 90% of all, then the model is fitted on the first 90% and measured once on the rest. Every rating is a want;
users are those whom the model has met, items those that it has met, the whole catalogue is ranked and what a user has
seen is left out. Gowalla is LightGCN's split, taken without any order; there settings are chosen on a tenth of what is
learned from, drawn by the seed. One code measures all models. The data is named by --data or DAYBREAK_BENCH_DATA; peers
that are libraries get an environment of their own on first use. Figures that others published are quoted beside ours.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peer_environment import run_peer
from benchmarks.public_data import Fold, Trial, add_data_option, data_folder, gowalla, movielens, told
from benchmarks.quality_peers import CLOSED_FORMS, LIBRARIES, Library, Peer, ScoreRows, Settings, tried_of
from daybreak.errors import InputError
from training.data.ids import Ints
from training.evaluation.confidence import difference, interval
from training.evaluation.full_catalogue import evaluate
from training.evaluation.ranking import Floats, per_query, places
from training.graph_teacher import SEARCH, START, choose, fitted
from training.retrieval import HeldOut

KS = (20, 100)
TOLD = ("ndcg_at_20", "recall_at_20", "recall_at_100")
LENGTH = max(KS)
OURS = "Daybreak"
NEEDS_TIME = ("trend", "trend_share", "recent_first", "query_half_life_days", "tie_half_life_days", "value")
"""What the search leaves alone, and what is 0 from the start if it can be, where nothing is known of time or weight."""
PUBLISHED = {
    "gowalla": {
        "LightGCN": {"recall_at_20": 0.1830, "ndcg_at_20": 0.1554},
        "BSPM": {"recall_at_20": 0.1920, "ndcg_at_20": 0.1597},
        "GR-MC": {"recall_at_20": 0.2081, "ndcg_at_20": 0.1640},
    }
}
Figures = dict[str, Any]
Metrics = dict[str, Floats]
"""Each measure of each user of a test."""


@dataclass(frozen=True)
class Measured:
    """A model with the settings that were chosen, and what it measured on the test."""

    name: str
    settings: Settings
    chosen_by: float
    tried: int
    seconds: float
    found: Metrics

    def figures(self, seed: int) -> Figures:
        means = {name: round(self.found[name].mean(), 4) for name in TOLD}
        sure = interval(self.found["ndcg_at_20"], seed)
        return {
            **means,
            "ndcg_at_20_interval": [round(sure.low, 4), round(sure.high, 4)],
            "validation_ndcg_at_20": round(self.chosen_by, 4),
            "settings": dict(self.settings),
            "tried": self.tried,
            "seconds": round(self.seconds, 1),
        }


def judged(test: HeldOut, score: ScoreRows) -> Metrics:
    return evaluate(score, test.users, test.relevant, test.seen, KS).metrics


def judged_lists(test: HeldOut, lists: Ints) -> Metrics:
    """The same of lists that are there already."""
    wanted = test.relevant.of_rows(test.users)
    return per_query(wanted, places(lists, wanted), KS)


def our_scores(choosing: Fold, final: Fold, trials: int, asked: HeldOut) -> tuple[Settings, float, int, ScoreRows]:
    """Our teacher: settings chosen, then fitted on all that may be learned from."""
    search, start = SEARCH, START
    if not choosing.timed:
        search = tuple((name, values) for name, values in SEARCH if name not in NEEDS_TIME)
        start = START.model_copy(update={"trend": 0.0, "recent_first": 0.0, "value": 0.0})
    choice = choose(asked, start, trials, search)
    scorer = fitted(final.test.view, choice.settings).at(final.test.view)
    best = dict(choice.tried)[choice.settings]
    return choice.settings.model_dump(mode="json"), best, len(choice.tried), scorer.for_users


def ours(trial: Trial, trials: int, asked: HeldOut) -> Measured:
    began = time.perf_counter()
    settings, best, tried, score = our_scores(trial.choosing, trial.final, trials, asked)
    found = judged(trial.final.test, score)
    return Measured(OURS, settings, best, tried, time.perf_counter() - began, found)


def closed_form(peer: Peer, trial: Trial, asked: HeldOut) -> Measured | None:
    began, values = time.perf_counter(), tried_of(peer, trial.choosing)
    if not values:
        return None
    measured = [judged(asked, peer.fit(trial.choosing, each))["ndcg_at_20"].mean() for each in values]
    best = int(np.argmax(measured))
    found = judged(trial.final.test, peer.fit(trial.final, values[best]))
    return Measured(peer.name, values[best], measured[best], len(values), time.perf_counter() - began, found)


def library(peer: Library, trial: Trial, asked: HeldOut) -> Measured | None:
    began, values = time.perf_counter(), tried_of(peer, trial.choosing)
    if not values:
        return None
    tried = list(_listed(peer.model, trial.choosing, asked.users, values))
    measured = [judged_lists(asked, lists)["ndcg_at_20"].mean() for _, lists in tried]
    best = int(np.argmax(measured))
    test = trial.final.test
    [(settings, lists)] = _listed(peer.model, trial.final, test.users, [tried[best][0]])
    found = judged_lists(test, lists)
    return Measured(peer.name, settings, measured[best], len(tried), time.perf_counter() - began, found)


def _listed(model: str, fold: Fold, users: Ints, values: Sequence[Settings]) -> Iterator[tuple[Settings, Ints]]:
    """The lists that a library's model gives these users, for each setting."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shape = np.array([fold.n_users, fold.n_items])
        np.savez(folder / "fold.npz", users=fold.users, items=fold.items, ages=fold.ages, asked=users, shape=shape)
        wanted = {"model": model, "settings": list(values), "length": LENGTH}
        (folder / "wanted.json").write_text(json.dumps(wanted))
        run_peer("quality_peers_run.py", str(folder))
        tried = json.loads((folder / "tried.json").read_text())
        with np.load(folder / "lists.npz") as lists:
            yield from ((each["settings"], lists[str(number)]) for number, each in enumerate(tried))


def measure(trial: Trial, peers: Sequence[str], trials: int, seed: int, at_most: int) -> Figures:
    """Every model on one data set, each told on stderr as soon as it is there."""
    asked = some_users(trial.choosing.test, at_most, seed)
    ways: list[Callable[[], Measured | None]] = [partial(ours, trial, trials, asked)]
    ways += [partial(closed_form, peer, trial, asked) for peer in CLOSED_FORMS if peer.name in peers]
    ways += [partial(library, peer, trial, asked) for peer in LIBRARIES if peer.name in peers]
    found: list[Measured] = []
    for way in ways:
        measured = way()
        if measured:
            found.append(measured)
            print(f"{trial.name}, {measured.name}: {measured.figures(seed)}", file=sys.stderr, flush=True)
    models = {each.name: each.figures(seed) for each in found}
    return {
        "users": trial.final.n_users,
        "items": trial.final.n_items,
        "pairs": len(trial.final.users),
        "users_tested": len(trial.final.test.users),
        "models": models,
        "published": PUBLISHED.get(trial.name, {}),
        "ours_above_the_best": {name: above_the_best(found, name, seed) for name in TOLD} if found[1:] else {},
    }


def some_users(test: HeldOut, at_most: int, seed: int) -> HeldOut:
    """The test, asked of so many users that the seed draws."""
    if len(test.users) <= at_most:
        return test
    return replace(test, users=np.sort(np.random.default_rng(seed).choice(test.users, at_most, replace=False)))


def above_the_best(found: Sequence[Measured], metric: str, seed: int) -> Figures:
    """How much higher we are than the peer that measured best on the test itself, drawn in pairs."""
    best = max(found[1:], key=lambda each: each.found[metric].mean())
    gain = difference(found[0].found[metric], best.found[metric], seed)
    return {"peer": best.name, "gain": gain.mean, "low": gain.low, "high": gain.high}


def rows(name: str, figures: Figures) -> list[Figures]:
    told = [
        {
            "what": f"{name}, {model}: NDCG@20, Recall@20, Recall@100",
            "value": f"{each['ndcg_at_20']:.4f} {each['recall_at_20']:.4f} {each['recall_at_100']:.4f}",
        }
        for model, each in figures["models"].items()
    ]
    told += [
        {
            "what": f"{name}, {model}, as published: NDCG@20, Recall@20",
            "value": f"{each['ndcg_at_20']:.4f} {each['recall_at_20']:.4f}",
        }
        for model, each in figures["published"].items()
    ]
    told += [
        {
            "what": f"{name}, {metric}: ours above {each['peer']}",
            "value": f"{each['gain']:+.4f} ({each['low']:+.4f} to {each['high']:+.4f})",
        }
        for metric, each in figures["ours_above_the_best"].items()
    ]
    return told


def main() -> None:
    names = [peer.name for peer in (*CLOSED_FORMS, *LIBRARIES)]
    parser = argparse.ArgumentParser(description=__doc__)
    add_data_option(parser)
    parser.add_argument("--sets", nargs="+", choices=("movielens", "gowalla"), default=("movielens", "gowalla"))
    parser.add_argument("--peers", nargs="*", choices=names, default=names)
    parser.add_argument("--trials", type=int, default=48, help="settings that are tried of ours")
    parser.add_argument("--users", type=int, default=3_000, help="users that settings are chosen on, at most")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    home, seed = data_folder(options.data), options.seed
    try:
        loaded = [movielens(home) if name == "movielens" else gowalla(home, seed) for name in options.sets]
    except InputError as error:
        told(error)
    figures = {trial.name: measure(trial, options.peers, options.trials, seed, options.users) for trial in loaded}
    table = [row for name, each in figures.items() for row in rows(name, each)]
    print(json.dumps({"seed": seed, "rows": table, "sets": figures}, indent=2))


if __name__ == "__main__":
    main()
