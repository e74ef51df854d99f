"""What each item's title and description say, in `features/item_text`: a row for each item whose state a night
delivered, with a vector of length 1.

Words become a vector through a basis, in `features/text_basis`. It is fitted on the items known to the first night and
serves every later one, so that the vectors of all nights can be compared. A night fits a new one where more than
`refit_unknown` of the words its items say are unknown (and they say at least `refit_least_words`), or where the basis
is `refit_days` old; the new one is turned onto the old one, and all items known by then get a row again. A night built
again uses the basis it had. A basis sees only items delivered by its night. Items without a word that the basis knows
have null.

With `encoder`, a function `module:function` from texts to an array with a row of `dimensions` numbers for each, vectors
come from it, scaled to length 1; then there is no basis.

Each row names the space of its vector: the encoder or TF-IDF, and the dimensions. Vectors of two spaces cannot be
compared, so where the night before left those of another, all items known by then get a row again. An encoder that
changes must change its name.

A run also takes the states of earlier nights that the view lacks, however long ago: those of before the first run, and
those that came late. A second run of a night replaces it with the same rows.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import reduce

import pyarrow.compute as pc
from pydantic import Field
from pyspark.sql import Column, DataFrame
from pyspark.sql import Window as Over
from pyspark.sql import functions as F

from daybreak.clock import days_before
from daybreak.contracts import DS
from daybreak.datasets import ITEMS
from daybreak.features.as_of import EVENT_TS
from daybreak.features.described import ITEM_TEXT
from daybreak.features.text_basis import TEXT_BASIS
from daybreak.step_io import StepIO
from daybreak.steps import StepConfig, Summary
from jobs.feature_nights import write_nights
from jobs.states import newest_of_night, nights_with_states
from jobs.text_fitting import basis_from, fit, rotated_onto, rows_of
from jobs.text_vectors import SPACE, TEXT, VECTOR, Basis, Encode, PluggedIn, with_vectors, word_counts

MOST_CHARACTERS = 4_000
VECTORS = f"item_id string, {DS} string, {EVENT_TS} timestamp, {VECTOR} array<float>"
COUNTS = f"{DS} string, words bigint, unknown bigint"
TF_IDF = "tf-idf"
Maker = Basis | PluggedIn
Stretch = tuple[Maker | None, list[str]]


class ItemTextConfig(StepConfig):
    """How texts become vectors, and when the basis has aged."""

    dimensions: int = Field(32, ge=1, description="numbers of a vector")
    most_terms: int = Field(50_000, ge=1, description="most words of a basis")
    least_items: int = Field(2, ge=1, description="items that must say a word for it to count")
    fit_items: int = Field(50_000, ge=1, description="most items that a basis is fitted on")
    refit_unknown: float = Field(
        0.3, gt=0, le=1, description="share of unknown words in a night's items above which a new basis is fitted"
    )
    refit_least_words: int = Field(1_000, ge=1, description="words that they must say at least")
    refit_days: int = Field(180, ge=1, description="age at which a basis is fitted anew")
    encoder: str | None = Field(None, description="`module:function` from texts to vectors, in place of the basis")

    @property
    def space(self) -> str:
        """The space of tonight's vectors."""
        return f"{self.encoder or TF_IDF}/{self.dimensions}"


def run(config: ItemTextConfig, io: StepIO) -> Summary:
    """Takes tonight's states, and the earlier ones that the view lacks."""
    nights = nights_with_states(io, ITEM_TEXT, ITEMS)
    items = io.frame(ITEMS)
    plan = _plan(config, io, items, nights)
    fitted = [maker.night for maker, serves in plan if isinstance(maker, Basis) and maker.night in serves]
    whole = {*fitted, *_first_of_their_space(config.space, io, nights)}
    if _came_late_for_a_refit(plan, nights):
        whole.add(io.ds)
    rows = reduce(DataFrame.unionByName, (_vectors(items, maker, serves, whole) for maker, serves in plan))
    rows = rows.withColumn(SPACE, F.lit(config.space))
    written = write_nights(io, ITEM_TEXT, rows, nights, built_from=ITEMS)
    return {**written, "bases_fitted_on": fitted}


def _plan(config: ItemTextConfig, io: StepIO, items: DataFrame, nights: list[str]) -> Sequence[Stretch]:
    """The nights in stretches, each with what makes its vectors."""
    if not config.encoder:
        return Bases(config, io, items).serving(nights)
    encoder = PluggedIn(config.encoder, config.dimensions)
    encoder.encode(["one text", "another, longer text"])  # fails here rather than in Spark's workers
    return [(encoder, nights)]


def _came_late_for_a_refit(plan: Sequence[Stretch], nights: list[str]) -> bool:
    """Whether earlier nights bring items that have no vector of tonight's basis, as it was fitted without them."""
    basis, _ = plan[-1]
    return len(plan) > 1 and isinstance(basis, Basis) and basis.night not in nights


def _first_of_their_space(space: str, io: StepIO, nights: list[str]) -> list[str]:
    """The nights before which the newest vectors lie in another space."""
    told = {*io.days(ITEM_TEXT.dataset), *nights}
    before = {night: max((day for day in told if day < night), default=night) for night in nights}
    return [night for night, day in before.items() if day not in nights and _spaces(io, day) != [space]]


def _spaces(io: StepIO, night: str) -> list[str | None]:
    """The spaces of a night's vectors; None is that of rows made before rows named it."""
    return io.read(ITEM_TEXT.dataset, since=night, until=night, columns=[SPACE])[SPACE].unique().to_pylist()


def embedded(texts: DataFrame, encode: Encode) -> DataFrame:
    """Each text's vector, made by Spark's workers in batches."""
    return texts.mapInArrow(with_vectors(encode), VECTORS)


def delivered_on(items: DataFrame, nights: list[str]) -> DataFrame:
    """The texts of the states delivered on these nights."""
    return newest_of_night(items, "item_id", nights).select("item_id", DS, EVENT_TS, _text().alias(TEXT))


def known_by(items: DataFrame, night: str) -> DataFrame:
    """The text of every item as that night knows it."""
    newest = Over.partitionBy("item_id").orderBy(F.desc("updated_ts"), F.desc(DS))
    return (
        items.where(F.col(DS) <= night)
        .withColumn("place", F.row_number().over(newest))
        .where(F.col("place") == 1)
        .select("item_id", F.lit(night).alias(DS), F.col("updated_ts").alias(EVENT_TS), _text().alias(TEXT))
    )


def _text() -> Column:
    return F.substring(F.concat_ws(" ", "title", "description"), 1, MOST_CHARACTERS)


def _vectors(items: DataFrame, maker: Maker | None, nights: list[str], whole: Collection[str]) -> DataFrame:
    """The vectors of what the nights delivered; of `whole` nights those of all items known by then."""
    texts = delivered_on(items, [night for night in nights if night not in whole])
    texts = reduce(DataFrame.unionByName, (known_by(items, night) for night in nights if night in whole), texts)
    if maker is None:
        return texts.drop(TEXT).withColumn(VECTOR, F.lit(None).cast("array<float>"))
    return embedded(texts, maker.encode)


class Bases:
    """The bases there are, and those that nights still to be built call for."""

    def __init__(self, config: ItemTextConfig, io: StepIO, items: DataFrame) -> None:
        self._config, self._io, self._items = config, io, items
        rows = io.read(TEXT_BASIS)
        nights = sorted(rows[DS].unique().to_pylist())
        bases = [basis_from(rows.filter(pc.equal(rows[DS], night)), night) for night in nights]
        self._bases = [basis for basis in bases if basis.dimensions == config.dimensions]

    def serving(self, nights: list[str]) -> list[tuple[Basis | None, list[str]]]:
        """The nights in stretches, each with the basis that serves it; None before there was any word."""
        plan: list[tuple[Basis | None, list[str]]] = []
        while nights:
            basis = self._newest(nights[0]) or self._fitted(nights[0])
            stretch = self._until_refit(basis, nights) if basis else nights[:1]
            if stretch:
                plan.append((basis, stretch))
            nights = nights[len(stretch) :]
        return plan

    def _newest(self, night: str) -> Basis | None:
        return max((basis for basis in self._bases if basis.night <= night), key=_night_of, default=None)

    def _until_refit(self, basis: Basis, nights: list[str]) -> list[str]:
        """The nights that the basis serves; the first one after them has a basis of its own."""
        nights = [night for night in nights if self._newest(night) is basis]
        refit = self._first_refit(basis, [night for night in nights if night > basis.night])
        if refit is None or self._fitted(refit) is None:
            return nights
        return [night for night in nights if night < refit]

    def _first_refit(self, basis: Basis, nights: list[str]) -> str | None:
        """The first of the nights that calls for a new basis."""
        if not nights:
            return None
        texts = delivered_on(self._items, nights).select(DS, TEXT)
        counts = (
            texts.mapInArrow(word_counts(basis.places), COUNTS)
            .groupBy(DS)
            .agg(F.sum("words").alias("words"), F.sum("unknown").alias("unknown"))
        )
        return min((row[DS] for row in counts.toArrow().to_pylist() if self._has_aged(basis, **row)), default=None)

    def _has_aged(self, basis: Basis, ds: str, words: int, unknown: int) -> bool:
        config = self._config
        strange = words >= config.refit_least_words and unknown > config.refit_unknown * words
        return strange or basis.night <= days_before(ds, config.refit_days)

    def _fitted(self, night: str) -> Basis | None:
        """A basis fitted on what the night knows, turned onto the one before it, and stored."""
        config = self._config
        sample = known_by(self._items, night).orderBy(F.xxhash64("item_id"), "item_id").limit(config.fit_items)
        texts = sample.select(TEXT).toArrow()[TEXT].to_pylist()
        basis = fit(texts, night, config.dimensions, config.most_terms, config.least_items, self._io.settings.seed)
        if basis is None:
            return None
        if self._bases:
            basis = rotated_onto(basis, self._newest(night) or self._bases[0])
        self._io.write(TEXT_BASIS, rows_of(basis), days=[night])
        self._bases = sorted([*self._bases, basis], key=_night_of)
        return basis


def _night_of(basis: Basis) -> str:
    return basis.night
