"""What training adds to the teacher's closed form on Gowalla: `python -m benchmarks.graph_training`.

LightGCN's split, blind to any order. Settings of the filter are chosen, and epochs counted, on a tenth of what may be
learned from, drawn by the seed; then the closed form and the trained filter are fitted on all of it and measured once.
Without a GPU the epochs are few, so that it ends in some minutes; on one, `--epochs 40 --frequencies 512 --candidates
50000` is the whole of it. The data is named by --data or DAYBREAK_BENCH_DATA.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from benchmarks.public_data import add_data_option, data_folder, gowalla, told
from benchmarks.quality import PUBLISHED, judged, some_users
from daybreak.errors import InputError
from training.evaluation.confidence import difference
from training.fitting.device import device_of
from training.fitting.loop import LoopConfig
from training.graph_teacher import FilterModel, fitted
from training.models.graph_filter import FilterSettings, GraphFilter
from training.retrieval import HeldOut
from training.trained_filter import TrainingSettings, train_filter

TOLD = ("recall_at_20", "ndcg_at_20")


def ranked(found: GraphFilter, test: HeldOut) -> dict[str, Any]:
    return judged(test, FilterModel(found, test.view.items).at(test.view).for_users)


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """The epochs that are best on what was held back, then both filters on the test."""
    trial = gowalla(data_folder(options.data), options.seed)
    asked = some_users(trial.choosing.test, options.users, options.seed)
    settings = FilterSettings(trend=0, value=0, user_damping=0.5, frequencies=options.frequencies)
    loop = LoopConfig(
        epochs=options.epochs, batch_size=512, learning_rate=options.rate, patience=options.epochs, schedule="constant"
    )
    training = TrainingSettings(loop=loop, candidates=options.candidates, layers=options.layers)
    curve = [float(ranked(fitted(asked.view, settings).graph_filter, asked)["ndcg_at_20"].mean())]

    def validate(found: GraphFilter) -> float:
        curve.append(float(ranked(found, asked)["ndcg_at_20"].mean()))
        print(f"epoch {len(curve) - 1}: NDCG@20 {curve[-1]:.4f}, in closed form {curve[0]:.4f}", file=sys.stderr)
        return curve[-1]

    began = time.perf_counter()
    best = train_filter(asked.view.histories, settings, training, seed=options.seed, validate=validate).report
    last = loop.model_copy(update={"epochs": best.best_epoch, "patience": 0})
    view, test = trial.final.test.view, trial.final.test
    again = training.model_copy(update={"loop": last})
    trained = train_filter(view.histories, settings, again, seed=options.seed)
    seconds = time.perf_counter() - began
    found = {"closed form": fitted(view, settings).graph_filter, "trained": trained.graph_filter}
    metrics = {name: ranked(each, test) for name, each in found.items()}
    return {
        "device": str(device_of()),
        "held_back_ndcg_at_20": curve,
        "epochs": best.best_epoch,
        "seconds": seconds,
        "histories_per_second": trained.report.examples_per_second,
        "figures": {name: {of: float(each[of].mean()) for of in TOLD} for name, each in metrics.items()},
        "gain": {of: vars(difference(metrics["trained"][of], metrics["closed form"][of], options.seed)) for of in TOLD},
        "published": PUBLISHED["gowalla"],
    }


def rows(figures: dict[str, Any]) -> list[dict[str, str]]:
    named = {**figures["figures"], **{f"{name}, as published": each for name, each in figures["published"].items()}}
    told = [
        {
            "what": f"Gowalla, {name}: Recall@20, NDCG@20",
            "value": f"{each['recall_at_20']:.4f} {each['ndcg_at_20']:.4f}",
        }
        for name, each in named.items()
    ]
    told += [
        {
            "what": f"what training adds, {of}",
            "value": f"{gain['mean']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f})",
        }
        for of, gain in figures["gain"].items()
    ]
    spent = f"{figures['epochs']} epochs, {figures['seconds']:.0f} s"
    return [*told, {"what": f"trained on {figures['device']}", "value": spent}]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_data_option(parser)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--frequencies", type=int, default=256)
    parser.add_argument("--candidates", type=int, default=8_192)
    parser.add_argument("--layers", type=int, default=0)
    parser.add_argument("--rate", type=float, default=1e-2)
    parser.add_argument("--users", type=int, default=3_000, help="users that epochs are counted on")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    try:
        figures = measure(options)
    except InputError as error:
        told(error)
    print(json.dumps({"rows": rows(figures), **figures}, indent=2))


if __name__ == "__main__":
    main()
