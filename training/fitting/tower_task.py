"""Teaching the towers: batches of one night's users against candidates of that night, with the teacher beside them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from daybreak.features.encoder import Encoded
from training.data.histories import Histories
from training.data.ids import Ints
from training.data.tower_nights import TowerNight, remembered_weights
from training.data.wants import Floats, Mask
from training.fitting.seeding import generator
from training.fitting.task import Task
from training.models.losses import as_the_teacher_ranks, log_chance_of_draw, wanted_above_the_rest
from training.models.two_tower import Inputs, TwoTower

Teacher = Callable[[Histories], Floats]
"""What a teacher gives users, known by their histories: a score for every item."""
HIGH = 100
"""So many of what the teacher ranks highest count as hard."""


@dataclass(frozen=True)
class TowerAims:
    """How much each aim counts.

    `task_share` is what the wants themselves count, the rest is the teacher's; `cold_share` of the items are shown
    without their ids and counts, as newcomers are; where the catalogue has more than `most_candidates` so many are
    drawn from it, `hard` of them from what the teacher ranks high. Of each history up to `forgotten` is hidden from
    towers and teacher, so that few users teach what many histories are like.
    """

    task_share: float
    temperature: float
    sharpness: float
    cold_share: float
    most_candidates: int
    hard: int
    half_life_days: float
    forgotten: float


@dataclass(frozen=True)
class TowerPick:
    """Which users of a night are set against which candidates; `given` is what the teacher gives each of the two, for
    `histories`, which may lack some of what the users wanted."""

    night: TowerNight
    examples: Ints
    histories: Histories
    candidates: Ints
    cold: Mask
    log_chance: Tensor | None
    given: Floats | None


@dataclass(frozen=True)
class TowerBatch:
    """A pick as the towers take it: row by row who wants which candidate, and which candidates do not count."""

    users: Inputs
    history: tuple[Tensor, Tensor, Tensor]
    items: Inputs
    candidates: Tensor
    cold: Tensor
    rows: Tensor
    wanted: Tensor
    weights: Tensor
    left_out: Tensor
    log_chance: Tensor | None
    given: Tensor | None


class TowerTask(Task[Any]):
    """The towers, their batches and their loss."""

    def __init__(
        self,
        module: TwoTower,
        nights: Sequence[TowerNight],
        newcomers: Mapping[int, Encoded],
        aims: TowerAims,
        teacher: Teacher | None,
        seed: int,
    ) -> None:
        self.module: TwoTower = module
        self._nights = list(nights)
        self._newcomers = newcomers
        self._aims = aims
        self._teacher = teacher
        self._seed = seed
        self._n_items = nights[0].histories.n_items
        counts = np.bincount(np.concatenate([night.wanted for night in nights]), minlength=self._n_items)
        self._popularity = torch.from_numpy((counts / max(counts.sum(), 1)).astype(np.float32))

    @property
    def examples(self) -> int:
        return sum(len(night) for night in self._nights)

    def batches(self, epoch: int, size: int) -> Iterator[TowerPick]:
        """Every example once, nights and users in an order that seed and epoch decide; a night is cut evenly."""
        draw = generator(self._seed, epoch)
        for number in draw.permutation(len(self._nights)):
            night = self._nights[number]
            parts = max(1, round(len(night) / size))
            for examples in np.array_split(draw.permutation(len(night)), parts):
                yield self._pick(night, np.sort(examples), draw)

    def size(self, batch: TowerPick) -> int:
        return len(batch.examples)

    def take(self, batch: TowerPick, start: int, end: int) -> TowerPick:
        given = None if batch.given is None else batch.given[start:end]
        histories = batch.histories.of_rows(np.arange(start, end))
        return replace(batch, examples=batch.examples[start:end], histories=histories, given=given)

    def place(self, batch: TowerPick, device: torch.device) -> TowerBatch:
        made = self._batch(batch)
        return _each(made, lambda tensor: tensor.to(device, non_blocking=True))

    def loss(self, batch: TowerBatch) -> dict[str, Tensor]:
        """How far the towers are from what was wanted, and from the teacher."""
        scores = self._scores(batch)
        corrected = scores if batch.log_chance is None else scores - batch.log_chance
        task = wanted_above_the_rest(corrected, batch.rows, batch.wanted, batch.weights, batch.left_out)
        if batch.given is None:
            return {"loss": task}
        distilled = as_the_teacher_ranks(scores, batch.given, batch.left_out, self._aims.temperature)
        share = self._aims.task_share
        return {"loss": share * task + (1 - share) * distilled, "task": task, "distilled": distilled}

    def _scores(self, batch: TowerBatch) -> Tensor:
        module = self.module
        ids = module.ids[batch.candidates].masked_fill(batch.cold[:, None], 0.0)
        items = module.items(batch.items.numbers, batch.items.words, batch.items.vectors, ids)
        memory = module.recalled(*batch.history)
        users = module.users(batch.users.numbers, batch.users.words, batch.users.vectors, memory)
        return users @ items.T

    def _pick(self, night: TowerNight, examples: Ints, draw: np.random.Generator) -> TowerPick:
        wanted = _wanted_by(night, examples)[0]
        histories = self._partly(night.histories.of_rows(examples), draw)
        given = self._teacher(histories) if self._teacher else None
        candidates, log_chance = self._candidates(wanted, given, draw)
        cold = (draw.random(len(candidates)) < self._aims.cold_share) | night.unmet[candidates]
        given = None if given is None else given[:, candidates]
        return TowerPick(night, examples, histories, candidates, cold, log_chance, given)

    def _partly(self, histories: Histories, draw: np.random.Generator) -> Histories:
        """The histories without some of their wants, of each another share."""
        if not self._aims.forgotten:
            return histories
        shares = np.repeat(draw.random(len(histories)) * self._aims.forgotten, histories.sizes)
        return histories.where(draw.random(len(histories.items)) >= shares)

    def _candidates(self, wanted: Ints, given: Floats | None, draw: np.random.Generator) -> tuple[Ints, Tensor | None]:
        """The items that a batch is ranked among: all, or the wants of all with hard and even draws."""
        most = self._aims.most_candidates
        if self._n_items <= most:
            return np.arange(self._n_items), None
        own = np.unique(wanted)
        hard = np.zeros(0, np.int64)
        if given is not None and self._aims.hard:
            most_high = min(HIGH, self._n_items - 1)
            high = np.unique(np.argpartition(-given, most_high, axis=1)[:, :most_high])
            hard = draw.choice(high, min(self._aims.hard, len(high)), replace=False)
        even = max(most - len(own) - len(hard), 0)
        candidates = np.unique(np.r_[own, hard, draw.integers(0, self._n_items, even)])
        chance = log_chance_of_draw(torch.from_numpy(candidates), self._popularity, len(wanted), even + len(hard))
        return candidates, chance

    def _batch(self, pick: TowerPick) -> TowerBatch:
        night, examples = pick.night, pick.examples
        histories, whole = pick.histories, night.histories.of_rows(examples)
        wanted, weights, sizes = _wanted_by(night, examples)
        place_of = np.full(self._n_items, -1)
        place_of[pick.candidates] = np.arange(len(pick.candidates))
        known_at = place_of[whole.items]
        left_out = np.zeros((len(examples), len(pick.candidates)), bool)
        left_out[np.repeat(np.arange(len(examples)), whole.sizes)[known_at >= 0], known_at[known_at >= 0]] = True
        left_out[:, night.absent[pick.candidates]] = True
        given = None if pick.given is None else torch.from_numpy(pick.given * np.float32(self._aims.sharpness))
        return TowerBatch(
            users=_inputs(night.user_inputs, examples),
            history=(
                torch.from_numpy(histories.starts),
                torch.from_numpy(histories.items),
                torch.from_numpy(remembered_weights(histories, self._aims.half_life_days)),
            ),
            items=_inputs(_mixed(night.item_inputs, self._newcomers[night.night], pick.candidates, pick.cold), None),
            candidates=torch.from_numpy(pick.candidates),
            cold=torch.from_numpy(pick.cold),
            rows=torch.from_numpy(np.repeat(np.arange(len(examples)), sizes)),
            wanted=torch.from_numpy(place_of[wanted]),
            weights=torch.from_numpy(weights),
            left_out=torch.from_numpy(left_out),
            log_chance=pick.log_chance,
            given=given,
        )


def _wanted_by(night: TowerNight, examples: Ints) -> tuple[Ints, Floats, Ints]:
    """What the examples want, each with its share of its example, and how many each wants."""
    sizes = np.diff(night.starts)[examples]
    starts = np.r_[0, np.cumsum(sizes)]
    places = np.arange(starts[-1]) + np.repeat(night.starts[examples] - starts[:-1], sizes)
    weights = np.sqrt(night.weights[places])
    shares = weights / np.repeat(np.add.reduceat(weights, starts[:-1]), sizes)
    return night.wanted[places], shares.astype(np.float32), sizes


def _inputs(encoded: Encoded, rows: Ints | None) -> Inputs:
    chosen = slice(None) if rows is None else rows
    return Inputs(
        torch.from_numpy(encoded.numbers[chosen]),
        torch.from_numpy(encoded.words[chosen]),
        torch.from_numpy(encoded.vectors[chosen]),
    )


def _mixed(known: Encoded, newcomers: Encoded, rows: Ints, cold: Mask) -> Encoded:
    """The candidates as they are, or as newcomers where they are shown so."""
    numbers = np.where(cold[:, None], newcomers.numbers[rows], known.numbers[rows])
    return Encoded(numbers, known.words[rows], known.vectors[rows])


def _each(batch: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """The same batch with each of its tensors changed."""
    if isinstance(batch, Tensor):
        return change(batch)
    if isinstance(batch, tuple):
        return tuple(change(part) for part in batch)
    if batch is None:
        return None
    return replace(batch, **{each.name: _each(getattr(batch, each.name), change) for each in fields(batch)})
