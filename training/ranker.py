"""Fits the ranker on training rows of earlier days, and tells what it is worth on the last.

Days are split in time: all but the last two to train, the one before the last to calibrate, the last to judge by.
Nothing of the later days is seen earlier: neither by the encoder nor by a curve. Beside the ranker stand boosted trees
on the same rows, the order in which rows were shown, and popularity.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch
from numpy.typing import NDArray
from pydantic import Field

from daybreak.contracts import DS
from daybreak.errors import InputError
from daybreak.features.encoder import FeatureEncoder
from daybreak.features.services import RANKER as SERVICE
from daybreak.features.training import CLICKED, LABELS, PURCHASED, SHOWN, Split, temporal_split
from daybreak.ranking.fitted_ranker import FLOAT32, FittedRanker
from daybreak.steps import StepConfig
from training import ranker_report as told
from training.data.rows import RowBatches, RowFiles
from training.export.forms import Candidate, Form, compared
from training.export.onnx_export import export
from training.export.prune import pruned
from training.export.quantize import quantize
from training.fitting.loop import FitReport, LoopConfig, Observe, fit, ignore
from training.fitting.ranker_task import KIND, POSITION, SURFACE, RankerRows, RankerTask, labels_of
from training.fitting.seeding import deterministic
from training.joined_likings import join_likings
from training.models.calibration import Choice, chosen
from training.models.ranker import Mixing, Ranker
from training.models.trees import Trees
from training.threads import threads

INT8, PRUNED, PRUNED_INT8 = "int8", "pruned", "pruned_int8"
IDS = ("user_id", "item_id")
VALIDATED_ON = 100_000
"""Most rows that tell after each epoch how good the model is."""
FEATURES = (*SERVICE.outputs, *(feature.name for feature in SERVICE.on_request))


class RankerConfig(StepConfig):
    """How the ranker is fitted."""

    validation_days: int = Field(1, ge=1, description="days before the test to calibrate by")
    test_days: int = Field(1, ge=1, description="last days, to judge by")
    max_words: int = Field(50, ge=1, description="most words of a feature that are told apart")
    unshown_weight: float = Field(0.3, ge=0, description="weight of sampled and unprompted rows beside shown ones")
    positions: int = Field(20, ge=1, description="places of a shelf that are told apart; later ones count as the last")
    ids: int = Field(50_000, ge=0, description="most users, and most items, that are known by their ids too; 0: none")
    ids_hidden: float = Field(0.3, ge=0, lt=1, description="share of ids hidden in training, for those who come later")
    likings_width: int = Field(
        6, ge=0, description="width of the vectors that match users with items by ids alone; 0: no likings"
    )
    likings_epochs: int = Field(6, ge=1, description="how often every row is seen for likings")
    word_width: int = Field(8, ge=1, description="width of a word's vector")
    cross_layers: int = Field(2, ge=0, description="layers that multiply features with each other")
    cross_rank: int | None = Field(32, ge=1, description="rank of their weights; none for full rank")
    deep: tuple[int, ...] = Field((256, 128), description="widths of the deep part")
    mixing: Mixing = Field("mmoe", description="experts shared by all heads (mmoe), or also some of their own (ple)")
    experts: int = Field(4, ge=1, description="experts")
    expert_width: int = Field(64, ge=1, description="neurons of an expert")
    head_width: int = Field(32, ge=1, description="neurons of a head")
    dropout: float = Field(0.1, ge=0, lt=1, description="share of neurons left out at each step")
    chained: bool = Field(True, description="each head's chance is given the one before: bought if carted if clicked")
    epochs: int = Field(2, ge=1, description="how often every row is seen")
    batch_size: int = Field(1_024, ge=1, description="rows of one step")
    learning_rate: float = Field(2e-3, gt=0, description="at its highest")
    fading_epochs: float = Field(
        64.0, ge=0, description="epochs in which a weight that nothing teaches falls to a third; 0 keeps it"
    )
    threads: int = Field(1, ge=1, description="threads that fit and score; more repay only where cores are free")
    memory_mb: int = Field(2_000, ge=1, description="memory for encoded rows; where they take more they are streamed")
    trees_iterations: int = Field(150, ge=0, description="trees of each head that the ranker must beat; 0 for none")
    trees_rows: int = Field(1_000_000, ge=1, description="most rows that trees are fitted on, drawn evenly")
    pruned_share: float = Field(0.5, ge=0, lt=1, description="share of hidden neurons that the pruned form lacks")
    pruned_epochs: int = Field(1, ge=0, description="how often the pruned form sees every row again")
    draws: int = Field(1_000, ge=10, description="drawings for intervals")


@dataclass(frozen=True)
class RankerReport:
    """What a fit came to; `likings` is what likings count in each head, beside features."""

    split: Split
    fit: FitReport
    curves: dict[str, Choice]
    heads: dict[str, told.HeadReport]
    order: told.Ordering
    looked_at: NDArray[np.float64]
    forms: list[Form]
    parity: float
    likings: dict[str, float]
    seconds: dict[str, float]

    @property
    def metrics(self) -> dict[str, float]:
        """All figures under names as metrics are logged by."""
        return told.flat(self.heads, self.order, self.forms, self.parity, self.likings)


def fit_ranker(
    files: RowFiles,
    config: RankerConfig,
    *,
    seed: int,
    observe: Observe = ignore,
    device: torch.device | None = None,
    features: Sequence[str] = FEATURES,
    retrieval_column: str | None = None,
    checkpoint: Path | None = None,
) -> tuple[FittedRanker, RankerReport]:
    """A ranker fitted on the days of these files, and what it is worth."""
    split, timer = temporal_split(files.days, config.validation_days, config.test_days), _Timer()
    device = device or torch.device("cpu")
    check_labels(files, split)
    with threads(config.threads), tempfile.TemporaryDirectory() as folder:
        with timer("encode"):
            rows = encoding(files, split, features, config)
            train = RowBatches(
                files.paths(split.train), rows.columns, rows, config.batch_size, seed, memory_mb=config.memory_mb
            )
            later = RowBatches(files.paths(split.validation), rows.columns, rows, VALIDATED_ON, seed)
            task = RankerTask(new_module(rows, config, seed), train, next(later.batches(0)))
        with timer("fit"):
            fitted_by = fit(
                task,
                _loop(config, config.epochs),
                seed=seed,
                device=device,
                checkpoint=checkpoint,
                observe=observe,
                belongs_to=" ".join(Path(path).name for path in files.paths(files.days)),
            )
        with timer("likings"):
            _join_likings(task.module.cpu(), rows, train, later, config, seed, device)
        with timer("forms"):
            made, parity = _forms(task, train, config, seed, Path(folder))
        with timer("calibrate"):
            ranker = FittedRanker(LABELS, rows.features, {}, made, config.model_dump(mode="json", exclude={"ds"}))
            calibrated_by = shown(files, split.validation, ranker.encoder)
            curves = calibrated(ranker, calibrated_by, seed)
            ranker = replace(ranker, calibrators={head: choice.calibrator for head, choice in curves.items()})
            looked_at = told.looks_of(calibrated_by, ranker.score(calibrated_by)[CLICKED])
        with timer("trees"):
            trees = _trees(files, split.train, rows.features, config, seed)
        with timer("judge"):
            judged_by = shown(files, split.test, ranker.encoder, retrieval_column)
            heads, order, forms = judge(
                ranker, judged_by, looked_at, trees, retrieval_column, config, seed, Path(folder)
            )
    likings = dict(zip(LABELS, task.module.shares[1].tolist(), strict=True))
    return ranker, RankerReport(
        split, fitted_by, curves, heads, order, looked_at, forms, parity, likings, timer.seconds
    )


def check_labels(files: RowFiles, split: Split) -> None:
    """Says which label is always or never true on days that the ranker is fitted or judged on."""
    for purpose, days in (("train on", split.train), ("calibrate by", split.validation), ("test on", split.test)):
        table = files.table(days, [KIND, *LABELS])
        shown = table.filter(pc.equal(table[KIND], SHOWN))
        for label in LABELS:
            true = int(pc.sum(shown[label].cast(pa.int64())).as_py() or 0)
            if true in (0, shown.num_rows):
                raise InputError(
                    f"label {label}: the days to {purpose} ({', '.join(days)}) should have shown rows with and without"
                    f" it, found {true:,} with it among {shown.num_rows:,}; take more days, or look at what was landed"
                )


def encoding(files: RowFiles, split: Split, features: Sequence[str], config: RankerConfig) -> RankerRows:
    """How rows are encoded, learned from the days to train on."""
    columns = [*features, *(IDS if config.ids else ())]
    read = files.read(split.train, ["row_id", DS, *columns])
    encoder = FeatureEncoder.fit(read, columns, max_words=config.max_words, most_of=dict.fromkeys(IDS, config.ids))
    shelves = FeatureEncoder.fit(files.read(split.train, [SURFACE]), [SURFACE], max_words=config.max_words)
    return RankerRows(encoder, shelves, LABELS, config.positions, config.unshown_weight)


def new_module(rows: RankerRows, config: RankerConfig, seed: int) -> Ranker:
    """A ranker that has learned nothing yet."""
    encoder = rows.features
    with deterministic(seed):
        return Ranker(
            len(encoder.number_names),
            encoder.word_counts,
            encoder.vector_width,
            heads=rows.labels,
            surfaces=rows.surfaces,
            positions=config.positions,
            word_width=config.word_width,
            cross_layers=config.cross_layers,
            cross_rank=config.cross_rank,
            deep=config.deep,
            mixing=config.mixing,
            experts=config.experts,
            expert_width=config.expert_width,
            head_width=config.head_width,
            dropout=config.dropout,
            chained=config.chained,
            ids=[place for place, name in enumerate(encoder.vocabularies) if name in IDS],
            ids_hidden=config.ids_hidden,
        )


def _join_likings(
    module: Ranker,
    rows: RankerRows,
    train: RowBatches,
    later: RowBatches,
    config: RankerConfig,
    seed: int,
    device: torch.device,
) -> None:
    """Where ids are known."""
    if config.likings_width and config.ids:
        width, epochs = config.likings_width, config.likings_epochs
        given = rows.features, train, next(later.batches(0))
        join_likings(module, *given, width=width, epochs=epochs, seed=seed, device=device)


def calibrated(ranker: FittedRanker, rows: pa.Table, seed: int) -> dict[str, Choice]:
    """The curve of each head that says most of what was shown."""
    logits, labels = ranker.logits(rows), labels_of(rows, ranker.heads)
    return {
        head: chosen(logits[:, place], labels[:, place], seed=seed, head=head)
        for place, head in enumerate(ranker.heads)
    }


def judge(
    ranker: FittedRanker,
    rows: pa.Table,
    looked_at: NDArray[np.float64],
    trees: Trees | None,
    retrieval_column: str | None,
    config: RankerConfig,
    seed: int,
    folder: Path,
) -> tuple[dict[str, told.HeadReport], told.Ordering, list[Form]]:
    """Heads, order and forms on rows that nothing was fitted on."""
    logits, labels, served = ranker.logits(rows), labels_of(rows, ranker.heads), ranker.score(rows)
    by_trees = trees.score(rows) if trees else {}
    heads = {
        head: told.head_report(labels[:, place], logits[:, place], served[head], by_trees.get(head))
        for place, head in enumerate(ranker.heads)
    }
    order = told.ordering(rows, served[PURCHASED], by_trees, retrieval_column, seed, config.draws, looked_at)
    encoded, place = ranker.encoder.encode(rows), ranker.heads.index(PURCHASED)
    forms = {form: replace(ranker, serves=form) for form in ranker.forms}
    return (
        heads,
        order,
        compared(
            {
                name: Candidate(_onnx(folder, name), lambda form=form: form.of_encoded(encoded))  # type: ignore[misc]
                for name, form in forms.items()
            },
            rows.num_rows,
            lambda answers: float(
                told.purchases_first(rows, answers[:, place].astype(np.float64), seed, looked_at).mean()
            ),
        ),
    )


def _forms(
    task: RankerTask, train: RowBatches, config: RankerConfig, seed: int, folder: Path
) -> tuple[dict[str, bytes], float]:
    """The forms of the fitted module, and how far ONNX lies from torch at most."""
    module = task.module.cpu()
    some = next(train.batches(0, 4 * config.batch_size))
    inputs = {name: some[name] for name in ("numbers", "words", "vectors")}
    parity = export(module, inputs, _onnx(folder, FLOAT32), seed=seed % 2**32)
    quantize(_onnx(folder, FLOAT32), _onnx(folder, INT8))
    names = [FLOAT32, INT8]
    if config.pruned_share:
        smaller = pruned(module, list(inputs.values()), config.pruned_share)
        assert isinstance(smaller, Ranker)
        if config.pruned_epochs:
            fit(RankerTask(smaller, train), _loop(config, config.pruned_epochs), seed=seed, device=torch.device("cpu"))
        export(smaller, inputs, _onnx(folder, PRUNED), seed=seed % 2**32)
        quantize(_onnx(folder, PRUNED), _onnx(folder, PRUNED_INT8))
        names += [PRUNED, PRUNED_INT8]
    return {name: _onnx(folder, name).read_bytes() for name in names}, parity


def _onnx(folder: Path, form: str) -> Path:
    return folder / f"{form}.onnx"


def _trees(
    files: RowFiles, days: Sequence[str], features: FeatureEncoder, config: RankerConfig, seed: int
) -> Trees | None:
    """Trees on what was shown on these days, or on so many rows of it; they cannot tell so many ids apart."""
    if not config.trees_iterations:
        return None
    features = features.without(IDS)
    draw = np.random.default_rng(seed)
    share = min(1.0, config.trees_rows / sum(files.rows(day) for day in days))
    batches = (
        rows.filter(pc.and_(pc.equal(rows[KIND], SHOWN), pa.array(draw.random(rows.num_rows) < share)))
        for rows in files.read(days, ["row_id", KIND, *LABELS, *features.columns])
    )
    return Trees.fit(pa.Table.from_batches(batches), features, LABELS, seed=seed, iterations=config.trees_iterations)


def shown(
    files: RowFiles, days: Sequence[str], encoder: FeatureEncoder, retrieval_column: str | None = None
) -> pa.Table:
    """What was shown on these days, with all that is judged by."""
    wanted = ["row_id", "user_id", DS, KIND, POSITION, *LABELS, told.POPULAR_BY, *encoder.columns]
    columns = dict.fromkeys([*wanted, *([retrieval_column] if retrieval_column else [])])
    rows = files.table(days, list(columns))
    return rows.filter(pc.equal(rows[KIND], SHOWN))


def _loop(config: RankerConfig, epochs: int) -> LoopConfig:
    return LoopConfig(
        epochs=epochs,
        batch_size=config.batch_size,
        learning_rate=config.learning_rate,
        fading_epochs=config.fading_epochs,
        warmup_share=0.1,
    )


class _Timer:
    """How long each part took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def __call__(self, part: str) -> Iterator[None]:
        began = time.perf_counter()
        yield
        self.seconds[part] = time.perf_counter() - began
