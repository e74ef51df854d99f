"""Public data that models are compared on, and how it is cut: MovieLens by one moment for all, Gowalla as published.

A fold holds what a model may learn from and what it is then asked: users that it knows, items that it knows and has not
seen with the user, and the whole catalogue to choose from. Wants are placed in time so that the cut falls between two
nights, as it does in the product.
"""

from __future__ import annotations

import argparse
import gzip
import os
import sys
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

import numpy as np
from scipy.sparse import csr_matrix

from daybreak.errors import InputError
from training.data.ids import IdMap
from training.data.wants import Wants
from training.evaluation.ranking import Floats, Ints
from training.retrieval import HeldOut, held_out, view_at

VARIABLE = "DAYBREAK_BENCH_DATA"
MOVIELENS = ("ml-1m/ratings.dat", "ml-1m-half/ratings_users1-2999.dat.gz")
GOWALLA = ("gowalla/train.txt", "gowalla/test.txt")
COLLEGE = ("collegemsg/CollegeMsg.txt", "collegemsg/CollegeMsg.txt.gz")
NIGHT = 730_000
"""The number of the night that the cut is the end of."""
DAY_S = 86_400
EVER = 1_000_000
"""More days than any test has."""
SOUGHT = {
    "movielens": f"fetch the MovieLens-1M ratings from GroupLens and put them there as {MOVIELENS[0]}",
    "gowalla": "fetch the Gowalla split from the LightGCN authors' repository and put it there as"
    f" {GOWALLA[0]} and {GOWALLA[1]}",
    "collegemsg": f"fetch the temporal network CollegeMsg from SNAP and put it there as {COLLEGE[0]}",
}


@dataclass(frozen=True)
class Pairs:
    """Users and items with a moment in days, which is 0 where none is known, and a weight; in the order of time."""

    users: Ints
    items: Ints
    moments: Floats
    weights: Floats

    def __len__(self) -> int:
        return len(self.users)

    def of(self, rows: Ints | slice) -> Pairs:
        return Pairs(self.users[rows], self.items[rows], self.moments[rows], self.weights[rows])


@dataclass(frozen=True, eq=False)
class Fold:
    """What is learned from, and the test beside it, over the users and items of what is learned from.

    `ages` are the days from each pair to the cut.
    """

    users: Ints
    items: Ints
    ages: Floats
    weights: Floats
    n_users: int
    n_items: int
    timed: bool
    test: HeldOut

    @cached_property
    def matrix(self) -> csr_matrix:
        """Users by items, 1 where there is a pair."""
        return self.matrix_of(np.ones(len(self.users), np.float32))

    def matrix_of(self, values: np.ndarray) -> csr_matrix:
        return csr_matrix((values.astype(np.float32), (self.users, self.items)), shape=(self.n_users, self.n_items))


@dataclass(frozen=True)
class Trial:
    """A fold to choose settings on, and the fold that is measured once."""

    name: str
    choosing: Fold
    final: Fold


def fold_of(learned: Pairs, later: Pairs, cut: float | None) -> Fold:
    """The fold of what was learned and what came later; without a cut all of each is of one moment."""
    user_ids, users = np.unique(learned.users, return_inverse=True)
    item_ids, items = np.unique(learned.items, return_inverse=True)
    known = later.of(np.flatnonzero(np.isin(later.users, user_ids) & np.isin(later.items, item_ids)))
    asked = np.searchsorted(user_ids, known.users), np.searchsorted(item_ids, known.items)
    end = float(NIGHT + 1)
    ages = np.full(len(learned), 0.5) if cut is None else cut - learned.moments
    before = np.minimum(end - ages, np.nextafter(end, 0.0))
    after = end + (0.5 if cut is None else np.maximum(known.moments - cut, 0.0))
    wants = Wants.of(
        np.r_[users, asked[0]],
        np.r_[items, asked[1]],
        np.r_[before, np.broadcast_to(after, len(known))],
        np.r_[learned.weights, known.weights].astype(np.float32),
        len(user_ids),
        len(item_ids),
    )
    known_users, known_items = (IdMap([str(one) for one in ids.tolist()]) for ids in (user_ids, item_ids))
    test = held_out(view_at(NIGHT, wants, known_users, known_items), wants, EVER)
    return Fold(users, items, ages, learned.weights, len(user_ids), len(item_ids), cut is not None, test)


def movielens(home: Path) -> Trial:
    """Everything in the order of time: the first 80% choose on the next 10%, the first 90% are measured on the rest."""
    path = next((home / name for name in MOVIELENS if (home / name).exists()), None)
    if path is None:
        missing("movielens", home)
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    table = np.array(text.replace(b"::", b" ").split(), dtype=np.int64).reshape(-1, 4)
    table = table[np.argsort(table[:, 3], kind="stable")]
    pairs = Pairs(table[:, 0], table[:, 1], table[:, 3] / DAY_S, table[:, 2].astype(np.float64))
    ends = [len(pairs) * share // 10 for share in (8, 9, 10)]
    folds = [
        fold_of(pairs.of(slice(0, cut)), pairs.of(slice(cut, end)), float(pairs.moments[cut]))
        for cut, end in pairwise(ends)
    ]
    return Trial(path.parent.name, *folds)


def gowalla(home: Path, seed: int, held_back: float = 0.1) -> Trial:
    """LightGCN's split, blind to any order: items get numbers by the seed, and settings are chosen on a tenth of what
    is learned from, drawn by the seed."""
    paths = [home / name for name in GOWALLA]
    if not all(path.exists() for path in paths):
        missing("gowalla", home)
    draw = np.random.default_rng(seed)
    lines = [[np.array(line.split(), dtype=np.int64) for line in path.read_text().splitlines()] for path in paths]
    new_number = draw.permutation(1 + max(int(line[1:].max(initial=0)) for side in lines for line in side))
    learned, later = (_lines(side, new_number) for side in lines)
    back = draw.random(len(learned)) < held_back
    choosing = fold_of(learned.of(np.flatnonzero(~back)), learned.of(np.flatnonzero(back)), None)
    return Trial("gowalla", choosing, fold_of(learned, later, None))


def first_contacts(home: Path) -> Pairs:
    """Everybody's first message with everybody else, either way, in the order of time: users, items and moments in
    days."""
    path = next((home / name for name in COLLEGE if (home / name).exists()), None)
    if path is None:
        missing("collegemsg", home)
    text = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rows = np.array(text.split(), dtype=np.int64).reshape(-1, 3)
    rows = rows[rows[:, 0] != rows[:, 1]]
    rows = rows[np.argsort(rows[:, 2], kind="stable")]
    ends = np.sort(rows[:, :2], axis=1)
    _, first = np.unique(ends[:, 0] * (ends.max() + 1) + ends[:, 1], return_index=True)
    first.sort()
    return Pairs(ends[first, 0], ends[first, 1], rows[first, 2] / DAY_S, np.ones(len(first)))


def _lines(lines: list[np.ndarray], new_number: Ints) -> Pairs:
    users = np.repeat([line[0] for line in lines], [len(line) - 1 for line in lines])
    items = new_number[np.concatenate([line[1:] for line in lines])]
    order = np.lexsort((items, users))
    return Pairs(users[order], items[order], np.zeros(len(users)), np.ones(len(users)))


def add_data_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", type=Path, default=os.environ.get(VARIABLE), help=f"its folder; else ${VARIABLE}")


def data_folder(given: Path | None) -> Path:
    """The folder of public data, which need not exist."""
    return given or Path("var/bench-data")


def missing(name: str, home: Path) -> NoReturn:
    raise InputError(f"{home} has no {name}: {SOUGHT[name]}; or name another folder with --data or {VARIABLE}")


def told(error: InputError) -> NoReturn:
    """Ends the benchmark with one sentence."""
    print(error, file=sys.stderr)
    sys.exit(2)
