"""Fits a public library's model in the peers' own environment and leaves its lists: what `benchmarks.quality` starts.

`python benchmarks/quality_peers_run.py FOLDER`. The folder holds `fold.npz` (users, items, ages in days, users asked
for) and `wanted.json` (a model, the settings to try, the length of a list). It leaves `lists.npz`, one array for each
setting that was tried, users asked for by places, without what was seen and -1 where nothing is left, and `tried.json`
with the settings and the seconds of each.
"""

from __future__ import annotations

import json
import logging
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import csr_matrix

Settings = Mapping[str, Any]
Lists = np.ndarray
SEED = 1
CUT = pd.Timestamp("2020-01-01")


@dataclass(frozen=True)
class Task:
    """What is learned from, and who asks for lists of what length."""

    users: np.ndarray
    items: np.ndarray
    ages: np.ndarray
    asked: np.ndarray
    shape: tuple[int, int]
    length: int

    @property
    def matrix(self) -> csr_matrix:
        return csr_matrix((np.ones(len(self.users), np.float32), (self.users, self.items)), shape=self.shape)


def als(task: Task, settings: Settings) -> Lists:
    from implicit.als import AlternatingLeastSquares  # type: ignore[import-not-found]

    values = {name: settings[name] for name in ("factors", "regularization", "alpha", "iterations")}
    return _implicit(task, AlternatingLeastSquares(**values, random_state=SEED))


def bpr(task: Task, settings: Settings) -> Lists:
    from implicit.bpr import BayesianPersonalizedRanking  # type: ignore[import-not-found]

    values = {name: settings[name] for name in ("factors", "regularization", "learning_rate", "iterations")}
    return _implicit(task, BayesianPersonalizedRanking(**values, random_state=SEED, num_threads=1))


def item_knn(task: Task, settings: Settings) -> Lists:
    from implicit.nearest_neighbours import BM25Recommender, CosineRecommender, TFIDFRecommender  # type: ignore[import-not-found]

    kinds = {"cosine": CosineRecommender, "bm25": BM25Recommender, "tfidf": TFIDFRecommender}
    return _implicit(task, kinds[settings["kind"]](K=settings["neighbours"]))


def _implicit(task: Task, model: Any) -> Lists:
    model.fit(task.matrix, show_progress=False)
    lists, scores = model.recommend(task.asked, task.matrix[task.asked], N=task.length, filter_already_liked_items=True)
    return np.where(scores > np.finfo(np.float32).min, lists, -1)


def sasrec(task: Task, settings: Settings) -> Iterator[tuple[Settings, Lists]]:
    """RecTools' SASRec, asked after each of some numbers of epochs."""
    import torch
    from rectools.dataset import Dataset  # type: ignore[import-not-found]
    from rectools.models import SASRecModel  # type: ignore[import-not-found]

    torch.manual_seed(SEED)
    moments = CUT - pd.to_timedelta(task.ages, unit="D")
    dataset = Dataset.construct(
        pd.DataFrame({"user_id": task.users, "item_id": task.items, "weight": 1.0, "datetime": moments})
    )
    values = {name: value for name, value in settings.items() if name != "epochs"}
    model = SASRecModel(**values, recommend_torch_device="cpu")
    done = 0
    for epochs in settings["epochs"]:
        model.fit_partial(dataset, min_epochs=epochs - done, max_epochs=epochs - done)
        done = epochs
        listed = model.recommend(users=task.asked, dataset=dataset, k=task.length, filter_viewed=True)
        place_of = pd.Series(np.arange(len(task.asked)), index=task.asked)
        lists = np.full((len(task.asked), task.length), -1)
        lists[place_of[listed["user_id"]].to_numpy(), listed["rank"].to_numpy() - 1] = listed["item_id"].to_numpy()
        yield {**settings, "epochs": [epochs]}, lists


MODELS: Mapping[str, Callable[[Task, Settings], Any]] = {
    "als": als,
    "bpr": bpr,
    "item_knn": item_knn,
    "sasrec": sasrec,
}


def main(folder: Path) -> None:
    with np.load(folder / "fold.npz") as kept:
        fold = {name: kept[name] for name in kept.files}
    wanted = json.loads((folder / "wanted.json").read_text())
    task = Task(
        fold["users"], fold["items"], fold["ages"], fold["asked"], tuple(fold["shape"].tolist()), wanted["length"]
    )
    tried: list[dict[str, Any]] = []
    lists: dict[str, Lists] = {}
    for settings in wanted["settings"]:
        began = time.perf_counter()
        found = MODELS[wanted["model"]](task, settings)
        for used, own in [(settings, found)] if isinstance(found, np.ndarray) else found:
            lists[str(len(tried))] = np.asarray(own, np.int64)
            tried.append({"settings": used, "seconds": time.perf_counter() - began})
            print(f"{wanted['model']} {used} {tried[-1]['seconds']:.0f} s", file=sys.stderr, flush=True)
    np.savez(folder / "lists.npz", allow_pickle=False, **lists)
    (folder / "tried.json").write_text(json.dumps(tried))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    main(Path(sys.argv[1]))
