"""Public libraries' training, a few batches at a time, in the peers' own environment: `benchmarks.training_speed` asks.

`python benchmarks/training_speed_peers.py NAME FOLDER`, where the folder holds `pairs.npz` and `wanted.json`. Says a
line once all is prepared; for every line that it is given it trains on so many batches and says the seconds and the
examples as JSON.
"""

from __future__ import annotations

import itertools
import json
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

Round = Callable[[], int]
"""Trains on some batches and tells how many examples they held."""
SEED = 1
FEATURES = ("country", "category")


def lightgcn(pairs: Mapping[str, np.ndarray], wanted: Mapping[str, Any], folder: Path) -> Round:
    """RecBole's LightGCN, by its own loader and trainer."""
    from recbole.model.general_recommender.lightgcn import LightGCN  # type: ignore[import-not-found]
    from scipy.sparse import dok_matrix

    # RecBole 1.2.1 fills its matrix by a method that scipy no longer has.
    dok_matrix._update = lambda own, entries: own._dict.update(entries)
    return _recbole(
        LightGCN,
        pairs,
        folder,
        {
            "train_batch_size": wanted["batch_size"],
            "embedding_size": wanted["dimensions"],
            "n_layers": wanted["layers"],
            "train_neg_sample_args": {"distribution": "uniform", "sample_num": 1},
        },
        wanted["batches"],
    )


def _recbole(
    model_class: Any, pairs: Mapping[str, np.ndarray], folder: Path, values: Mapping[str, Any], batches: int
) -> Round:
    from recbole.config import Config  # type: ignore[import-not-found]
    from recbole.data import create_dataset, data_preparation  # type: ignore[import-not-found]
    from recbole.trainer import Trainer  # type: ignore[import-not-found]
    from recbole.utils import init_seed  # type: ignore[import-not-found]

    home = folder / "recbole" / "bench"
    home.mkdir(parents=True, exist_ok=True)
    lines = (f"{user}\t{item}\n" for user, item in zip(pairs["users"].tolist(), pairs["items"].tolist(), strict=True))
    (home / "bench.inter").write_text("user_id:token\titem_id:token\n" + "".join(lines))
    config = Config(
        model=model_class,
        dataset="bench",
        config_dict={
            "data_path": str(home.parent),
            "load_col": {"inter": ["user_id", "item_id"]},
            "eval_args": {"split": {"RS": [1.0, 0.0, 0.0]}, "order": "RO", "group_by": None, "mode": "full"},
            "checkpoint_dir": str(folder / "saved"),
            "use_gpu": False,
            "seed": SEED,
            "log_wandb": False,
            "worker": 0,
            **values,
        },
    )
    init_seed(SEED, True)
    loader, _, _ = data_preparation(config, create_dataset(config))
    trainer = Trainer(config, model_class(config, loader.dataset))

    def some(told: list[int]) -> Iterator[Any]:
        for batch in itertools.islice(iter(loader), batches):
            told.append(len(batch))
            yield batch

    def train() -> int:
        told: list[int] = []
        trainer._train_epoch(some(told), 0)
        return sum(told)

    return train


def dssm(pairs: Mapping[str, np.ndarray], wanted: Mapping[str, Any], folder: Path) -> Round:
    """RecTools' DSSM, by its own datasets and trainer."""
    import pandas as pd
    import torch
    from rectools.dataset import Dataset  # type: ignore[import-not-found]
    from rectools.models.nn.dssm import DSSMModel  # type: ignore[import-not-found]

    torch.manual_seed(SEED)
    np.random.seed(SEED)
    frame = pd.DataFrame(
        {"user_id": pairs["users"], "item_id": pairs["items"], "weight": 1.0, "datetime": pd.Timestamp("2020-01-01")}
    )
    features = [
        pd.DataFrame({"id": np.arange(len(pairs[name])), "feature": name, "value": pairs[name]}) for name in FEATURES
    ]
    known = [np.unique(pairs[side]) for side in ("users", "items")]
    dataset = Dataset.construct(
        frame,
        user_features_df=features[0][features[0]["id"].isin(known[0])],
        cat_user_features=["country"],
        item_features_df=features[1][features[1]["id"].isin(known[1])],
        cat_item_features=["category"],
    )
    model = DSSMModel(
        n_factors=wanted["dimensions"],
        max_epochs=1,
        batch_size=wanted["batch_size"],
        trainer_accelerator="cpu",
        loggers=False,
    )
    model._trainer.limit_train_batches = wanted["batches"]
    users = len(known[0])

    def train() -> int:
        model.fit(dataset)
        return min(wanted["batches"] * wanted["batch_size"], users)

    return train


PEERS: Mapping[str, Callable[[Mapping[str, np.ndarray], Mapping[str, Any], Path], Round]] = {
    "lightgcn": lightgcn,
    "dssm": dssm,
}


def main(name: str, folder: Path) -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what the libraries print is no answer
    os.chdir(folder)
    with np.load(folder / "pairs.npz") as kept:
        pairs = {each: kept[each] for each in kept.files}
    train = PEERS[name](pairs, json.loads((folder / "wanted.json").read_text())[name], folder)
    train()
    print("ready", file=answers, flush=True)
    for _ in sys.stdin:
        began, used = time.perf_counter(), time.process_time()
        examples = train()
        found = {
            "seconds": time.perf_counter() - began,
            "cpu_seconds": time.process_time() - used,
            "examples": examples,
        }
        print(json.dumps(found), file=answers, flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    main(sys.argv[1], Path(sys.argv[2]).resolve())
