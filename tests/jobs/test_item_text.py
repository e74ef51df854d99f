"""Text vectors: what is near what, and that vectors of many nights can be compared and rebuilt."""

from __future__ import annotations

import shutil
from random import Random

import numpy as np
import pyarrow as pa
import pytest
from pyspark.sql import SparkSession

from daybreak.datasets import DELIVERIES, ITEMS
from daybreak.errors import SettingsError
from daybreak.features.described import ITEM_TEXT
from daybreak.features.text_basis import TEXT_BASIS
from daybreak.lake import Lake, Window
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from jobs.text_fitting import basis_from, fit, rotated_onto, rows_of
from jobs.text_vectors import Basis, words_of
from tests.jobs import text_encoders
from tests.jobs.interruptions import ended_at_commit
from tests.lake import put
from tests.tiny import Row, day

STEP = step_named("jobs.item_text")
NIGHTS = range(4)
LAMPS = ("brass", "bright", "bulb", "desk", "lamp", "light", "shade", "warm")
SHOES = ("boots", "heel", "laces", "leather", "run", "shoe", "sole", "trail")
BOOKS = ("author", "chapter", "cover", "novel", "page", "prose", "story", "thriller")
TEAS = ("assam", "brew", "cup", "green", "leaf", "mint", "oolong", "tea")
YARNS = ("cotton", "crochet", "dyed", "knit", "merino", "needle", "wool", "yarn")
EARLY = {"lamp": LAMPS, "shoe": SHOES, "book": BOOKS, "yarn": YARNS}


def item(name: str, number: int, title: str, description: str | None = None, hour: int = 0) -> Row:
    moment = f"{day(number)}T{hour:02d}:00:00+00:00"
    return {"item_id": name, "updated_ts": moment, "title": title, "description": description, "status": "active"}


def some_items(random: Random, number: int, kinds: dict[str, tuple[str, ...]], count: int = 12) -> list[Row]:
    """Items of each kind whose texts are words of the kind."""
    return [
        item(f"{kind}-{number}-{n}", number, " ".join(random.choices(words, k=4)), " ".join(random.choices(words, k=6)))
        for kind, words in kinds.items()
        for n in range(count)
    ]


def land_nights(lake: Lake) -> None:
    """Four kinds at first; tea, of which no word was known, on the third night; some change again on the fourth."""
    random = Random(11)
    put(lake, ITEMS, day(0), some_items(random, 0, EARLY))
    put(lake, ITEMS, day(1), [item("lamp-0-0", 1, "trail shoe", "leather boots"), *some_items(random, 1, EARLY, 2)])
    put(lake, ITEMS, day(2), some_items(random, 2, {"tea": TEAS}, 4))
    put(lake, ITEMS, day(3), some_items(random, 3, {"tea": TEAS, "book": BOOKS}, 2))


def build(settings: Settings, number: int, **overrides) -> dict:
    put(Lake.of(settings), DELIVERIES, day(number), [])
    values = {"dimensions": 4, "refit_least_words": 40, **overrides}
    return run_steps([STEP], day(number), settings, overrides=values)[0].summary


def vectors_of(settings: Settings, number: int) -> dict[str, np.ndarray | None]:
    rows = Lake.of(settings).table(ITEM_TEXT.dataset).read(Window(day(number), day(number))).to_pylist()
    found = {row["item_id"]: row["text_vector"] for row in rows}
    assert len(found) == len(rows)
    return {name: None if vector is None else np.array(vector) for name, vector in found.items()}


def digests(settings: Settings) -> list[str]:
    tables = [Lake.of(settings).table(dataset) for dataset in (ITEM_TEXT.dataset, TEXT_BASIS)]
    return [table.digest(day(number)) for table in tables for number in NIGHTS]


@pytest.fixture(scope="module")
def night_by_night(tmp_path_factory: pytest.TempPathFactory, spark: SparkSession) -> tuple[Settings, list[dict]]:
    """Each night landed and built before the next one is landed, and the summaries."""
    settings = Settings(home=tmp_path_factory.mktemp("texts"))
    whole, lake = Lake.of(Settings(home=tmp_path_factory.mktemp("landed"))), Lake.of(settings)
    land_nights(whole)
    summaries = []
    for number in NIGHTS:
        put(lake, ITEMS, day(number), whole.table(ITEMS).read(Window(day(number), day(number))).to_pylist())
        summaries.append(build(settings, number))
    return settings, summaries


@pytest.mark.slow
def test_items_of_a_kind_are_near_each_other(night_by_night):
    """By cosine nearer than any item of another kind; all vectors have length 1."""
    settings, _ = night_by_night
    vectors = vectors_of(settings, 0)
    assert len(vectors) == 48
    for name, vector in vectors.items():
        assert vector.shape == (4,)
        assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
        near = {other: vector @ vectors[other] for other in vectors if other != name}
        own = [cosine for other, cosine in near.items() if other[:4] == name[:4]]
        assert min(own) > max(cosine for other, cosine in near.items() if other[:4] != name[:4])


@pytest.mark.slow
def test_a_basis_serves_until_its_words_no_longer_do(night_by_night):
    """Nights whose words are known embed what they were delivered; one full of new words fits anew, and embeds all."""
    settings, summaries = night_by_night
    assert [summary["bases_fitted_on"] for summary in summaries] == [[day(0)], [], [day(2)], []]
    assert set(vectors_of(settings, 1)) == {"lamp-0-0", *(f"{kind}-1-{n}" for kind in EARLY for n in range(2))}
    assert len(vectors_of(settings, 2)) == 48 + 8 + 4
    assert len(vectors_of(settings, 3)) == 4
    assert set(Lake.of(settings).table(TEXT_BASIS).days()) == {day(0), day(2)}


@pytest.mark.slow
def test_vectors_of_two_bases_can_be_compared(night_by_night):
    """After a refit the items of before lie where they lay, and an item that changed lies where its words are."""
    settings, _ = night_by_night
    before, changed, after = (vectors_of(settings, number) for number in range(3))
    assert min(before[name] @ after[name] for name in before if name != "lamp-0-0") > 0.97
    assert changed["lamp-0-0"] @ after["lamp-0-0"] > 0.97
    assert after["lamp-0-0"] @ before["shoe-0-1"] > 0.9 > before["lamp-0-0"] @ after["lamp-0-0"]


@pytest.mark.slow
def test_a_history_built_in_one_run_equals_the_nights_run_one_by_one(night_by_night, tmp_path):
    """Vectors and bases, though later nights had been landed already; so no night saw a later item."""
    settings = Settings(home=tmp_path)
    land_nights(Lake.of(settings))
    summary = build(settings, NIGHTS[-1])
    assert (summary["nights"], summary["bases_fitted_on"]) == (4, [day(0), day(2)])
    assert digests(settings) == digests(night_by_night[0])


@pytest.mark.slow
@pytest.mark.parametrize("commit", [2, 3])
def test_a_run_that_ends_between_its_commits_is_made_up_for_by_the_next(night_by_night, tmp_path, commit):
    """After the first basis, or after both: the next run finds them, and leaves what an undisturbed one does."""
    settings = Settings(home=tmp_path)
    land_nights(Lake.of(settings))
    with ended_at_commit(commit):
        build(settings, NIGHTS[-1])
    assert len(Lake.of(settings).table(TEXT_BASIS).days()) == commit - 1
    assert Lake.of(settings).table(ITEM_TEXT.dataset).version() is None
    build(settings, NIGHTS[-1])
    assert digests(settings) == digests(night_by_night[0])


@pytest.mark.slow
def test_nights_built_again_are_the_same(night_by_night):
    """Each uses the basis it had, also the night that had fitted a new one."""
    settings, _ = night_by_night
    before = digests(settings)
    for number in (2, 1):
        assert build(settings, number)["rows"] > 0
    assert digests(settings) == before


@pytest.mark.slow
def test_states_begin_when_they_say_and_are_known_from_their_night(settings, lake, spark):
    """Of two states of an item in a night the newest counts; an item of unknown words only has null."""
    random = Random(1)
    rows = [*some_items(random, 0, EARLY), item("odd", 0, "zyx", "wvu")]
    put(lake, ITEMS, day(0), [*rows, item("two", 0, "lamp", hour=3), item("two", 0, "shoe leather", hour=4)])
    build(settings, 0)
    vectors = vectors_of(settings, 0)
    assert vectors["odd"] is None
    assert vectors["two"] @ vectors["shoe-0-0"] > 0.8 > vectors["two"] @ vectors["lamp-0-0"]
    rows = {row["item_id"]: row for row in lake.table(ITEM_TEXT.dataset).read(Window()).to_pylist()}
    assert str(rows["two"]["event_ts"]) == f"{day(0)} 04:00:00+00:00"
    assert {str(row["available_ts"]) for row in rows.values()} == {f"{day(1)} 06:00:00+00:00"}


@pytest.mark.slow
def test_an_item_that_came_late_has_a_vector_of_the_basis_that_was_fitted_since(night_by_night, tmp_path):
    """It is told under its own night by the basis of then, and tonight again, with all others, by that of now."""
    settings = Settings(home=shutil.copytree(night_by_night[0].home, tmp_path / "home"))
    lake = Lake.of(settings)
    of_night = lake.table(ITEMS).read(Window(day(1), day(1))).to_pylist()
    put(lake, ITEMS, day(1), [*of_night, item("late", 1, "trail shoe", "leather boots")])
    build(settings, 4)
    then, now = vectors_of(settings, 1), vectors_of(settings, 4)
    assert set(then) == {"late", *vectors_of(night_by_night[0], 1)}
    assert set(now) == {"late", *vectors_of(settings, 2), *vectors_of(settings, 3)}
    assert now["late"] @ now["lamp-0-0"] > 0.99, "of the same words"


@pytest.mark.slow
def test_a_basis_is_fitted_anew_when_it_is_old_enough(settings, lake, spark):
    """By its age alone, on a night that delivers something."""
    random = Random(2)
    for number in (0, 5, 6):
        put(lake, ITEMS, day(number), some_items(random, number, EARLY, 4))
    assert build(settings, 7, refit_days=6)["bases_fitted_on"] == [day(0), day(6)]


@pytest.mark.slow
def test_an_empty_catalogue_and_one_without_words(settings, lake, spark):
    """No rows and no basis at first; then rows without vectors; the first night with words fits."""
    assert build(settings, 0)["rows"] == 0
    put(lake, ITEMS, day(1), [item("a", 1, "—"), item("b", 1, "single")])
    assert build(settings, 1) == {"rows": 2, "nights": 1, "first_night": day(1), "bases_fitted_on": []}
    assert vectors_of(settings, 1) == {"a": None, "b": None}
    put(lake, ITEMS, day(2), [item("c", 2, "single lamp"), item("d", 2, "lamp")])
    assert build(settings, 2)["bases_fitted_on"] == [day(2)]
    vectors = vectors_of(settings, 2)
    assert set(vectors) == {"a", "b", "c", "d"}
    assert vectors["a"] is None
    assert vectors["b"] @ vectors["d"] < vectors["c"] @ vectors["d"]


@pytest.mark.slow
def test_an_encoder_of_someones_own_takes_the_place_of_the_basis(settings, lake, spark):
    """Its vectors, scaled to length 1; nothing is fitted."""
    put(lake, ITEMS, day(0), [item("a", 0, "abc"), item("b", 0, "ab", "de fgh")])
    build(settings, 0, dimensions=2, encoder="tests.jobs.text_encoders:by_length")
    vectors = vectors_of(settings, 0)
    np.testing.assert_allclose(vectors["a"], np.array([3, 1]) / np.sqrt(10), atol=1e-6)
    np.testing.assert_allclose(vectors["b"], np.array([9, 3]) / np.sqrt(90), atol=1e-6)
    assert lake.table(TEXT_BASIS).version() is None


BY_LENGTH, BY_ALPHABET = (f"tests.jobs.text_encoders:by_{what}" for what in ("length", "alphabet"))
NAMES = {0: ("a", "ab"), 1: ("b",), 2: ("c d",), 3: ("ef g",)}


def name_items(settings: Settings, *numbers: int) -> None:
    """Lands a few nights of items with short names."""
    for number in numbers:
        put(Lake.of(settings), ITEMS, day(number), [item(name, number, name) for name in NAMES[number]])


def newest(settings: Settings) -> dict[str, tuple[str, np.ndarray]]:
    """The newest vector of each item, as a join would find it, and its space."""
    rows = Lake.of(settings).table(ITEM_TEXT.dataset).read(Window()).to_pylist()
    rows.sort(key=lambda row: (row["event_ts"], row["available_ts"]))
    return {row["item_id"]: (row["text_space"], np.array(row["text_vector"])) for row in rows}


def assert_all_are_by(encoder: str, settings: Settings) -> None:
    encode = getattr(text_encoders, encoder.partition(":")[2])
    for name, (space, vector) in newest(settings).items():
        expected = encode([name])[0] / np.linalg.norm(encode([name])[0])
        np.testing.assert_allclose(vector, expected, atol=1e-6, err_msg=name)
        assert space == f"{encoder}/2"


@pytest.mark.slow
def test_an_encoder_set_later_embeds_all_items_again_and_so_does_another(settings, lake, spark):
    """On its first night; from then on a night embeds what it was delivered."""
    name_items(settings, 0, 1)
    build(settings, 1, dimensions=2, least_items=1)
    name_items(settings, 2)
    build(settings, 2, dimensions=2, encoder=BY_LENGTH)
    assert len(vectors_of(settings, 2)) == 4
    assert_all_are_by(BY_LENGTH, settings)
    name_items(settings, 3)
    build(settings, 3, dimensions=2, encoder=BY_LENGTH)
    assert set(vectors_of(settings, 3)) == set(NAMES[3])
    build(settings, 4, dimensions=2, encoder=BY_ALPHABET)
    assert len(vectors_of(settings, 4)) == 5
    assert_all_are_by(BY_ALPHABET, settings)


@pytest.mark.slow
@pytest.mark.parametrize("meanwhile", [{"dimensions": 2, "encoder": BY_LENGTH}, {"dimensions": 3}], ids=str)
def test_going_back_to_the_basis_embeds_all_items_again(settings, lake, spark, meanwhile):
    """By the basis of before, so that vectors of before and after can be compared, as if it had served all along."""
    name_items(settings, 0)
    build(settings, 0, dimensions=2, least_items=1)
    before = newest(settings)
    name_items(settings, 1)
    build(settings, 1, **{"least_items": 1, **meanwhile})
    assert {space for space, _ in newest(settings).values()}.isdisjoint({"tf-idf/2"})
    name_items(settings, 2)
    assert build(settings, 2, dimensions=2, least_items=1)["bases_fitted_on"] == []
    after = newest(settings)
    assert len(after) == 4
    assert {space for space, _ in after.values()} == {"tf-idf/2"}
    for name, (_, vector) in before.items():
        np.testing.assert_array_equal(after[name][1], vector)


@pytest.mark.slow
def test_a_night_built_again_by_another_encoder_leaves_no_mix(settings, lake, spark):
    """The nights after it are still of the old one; so the next night embeds all."""
    name_items(settings, 0, 1, 2)
    build(settings, 2, dimensions=2, least_items=1)
    build(settings, 1, dimensions=2, encoder=BY_LENGTH)
    assert len(vectors_of(settings, 1)) == 3
    build(settings, 3, dimensions=2, encoder=BY_LENGTH)
    assert_all_are_by(BY_LENGTH, settings)


@pytest.mark.slow
def test_vectors_that_do_not_name_their_space_are_made_again(settings, lake, spark):
    """As those written before rows named it."""
    name_items(settings, 0)
    build(settings, 0, dimensions=2, encoder=BY_LENGTH)
    table = lake.table(ITEM_TEXT.dataset)
    rows = table.read()
    unnamed = rows.set_column(rows.column_names.index("text_space"), "text_space", pa.nulls(2, pa.string()))
    table.replace(unnamed, lake.begin(STEP.name, day(0)))
    build(settings, 1, dimensions=2, encoder=BY_LENGTH)
    assert_all_are_by(BY_LENGTH, settings)


BROKEN = {
    "no_such_module:encode": r"encoder no_such_module:encode cannot be loaded \(No module named",
    "tests.jobs.text_encoders:missing": "holds no 'missing'",
    "tests.jobs.text_encoders:by_length": r"an array of shape \(2, 4\) for 2 texts, got one of shape \(2, 2\)",
    "tests.jobs.text_encoders:too_few_rows": r"got one of shape \(1, 2\)",
    "tests.jobs.text_encoders:not_a_number": "got one with NaN or infinity in it",
    "tests.jobs.text_encoders:ragged": "got one that is no array of numbers",
}


@pytest.mark.slow
@pytest.mark.parametrize("encoder", BROKEN)
def test_an_encoder_that_does_not_fit_is_told_in_one_sentence(settings, lake, spark, encoder):
    """Before any row is made."""
    put(lake, ITEMS, day(0), [item("a", 0, "abc")])
    with pytest.raises(SettingsError, match=BROKEN[encoder]) as caught:
        build(settings, 0, encoder=encoder, dimensions=2 if "not_a" in encoder else 4)
    assert "\n" not in str(caught.value)
    assert lake.table(ITEM_TEXT.dataset).version() is None


def random_basis(seed: int, terms: range) -> Basis:
    generator = np.random.default_rng(seed)
    directions = generator.standard_normal((len(terms), 3)).astype(np.float32)
    return Basis(day(0), tuple(f"w{term:03d}" for term in terms), np.ones(len(terms)), directions)


def test_rotation_undoes_any_turn():
    """A basis that was turned, and has other words too, comes back to where it was."""
    old = random_basis(1, range(80))
    turn = np.linalg.qr(np.random.default_rng(2).standard_normal((3, 3))).Q
    turned = Basis(day(1), old.terms[20:], old.idf[20:], (old.directions[20:] @ turn).astype(np.float32))
    back = rotated_onto(turned, Basis(day(0), old.terms[:60], old.idf[:60], old.directions[:60]))
    np.testing.assert_allclose(back.directions, old.directions[20:], atol=1e-5)
    assert back.night == day(1)


def test_a_fitted_basis_equals_the_singular_vectors_of_its_weights():
    """A dense decomposition of the same TF-IDF gives the same directions."""
    random = Random(3)
    texts = [" ".join(random.choices((*LAMPS, *SHOES, *BOOKS), k=6)) for _ in range(200)]
    basis = fit(texts, day(0), 3, 1_000, 1, seed=0)
    known_by = np.array([sum(term in text.split() for text in texts) for term in basis.terms])
    idf = np.log(201 / (1 + known_by)) + 1
    counts = np.array([[text.split().count(term) for term in basis.terms] for text in texts])
    weights = np.where(counts > 0, 1 + np.log(np.maximum(counts, 1)), 0) * idf
    weights /= np.linalg.norm(weights, axis=1, keepdims=True)
    expected = np.linalg.svd(weights).Vh[:3].T
    np.testing.assert_allclose(np.abs(np.sum(expected * basis.directions, axis=0)), 1, atol=1e-3)
    projected = weights @ basis.directions
    np.testing.assert_allclose(
        basis.encode(texts), projected / np.linalg.norm(projected, axis=1, keepdims=True), atol=1e-5
    )


def test_a_basis_is_stored_whole():
    """It comes back with the same terms, weights and directions, in whatever order its rows are read."""
    basis = fit(["brass lamp", "lamp shade", "Schöne Größe", "größe 東京"], day(0), 4, 1_000, 1, seed=0)
    rows = rows_of(basis)
    again = basis_from(rows.take(np.arange(rows.num_rows)[::-1]), day(0))
    assert again.terms == basis.terms
    np.testing.assert_array_equal(again.idf, basis.idf)
    np.testing.assert_array_equal(again.directions, basis.directions)


def test_the_most_usual_words_make_the_basis():
    """Rare words are left out first; with the same frequency the alphabet decides."""
    assert fit(["a b", "a b c", "a d"], day(0), 2, 2, 1, seed=0).terms == ("a", "b")
    assert fit(["a b", "a b c", "a d"], day(0), 2, 9, 2, seed=0).terms == ("a", "b")
    assert fit(["a", "b"], day(0), 2, 9, 2, seed=0) is None


def test_words_are_runs_of_letters_and_digits():
    """Of any script, in lower case."""
    assert words_of("Größe-42 «Lampe»_neu, 東京 don't") == ["größe", "42", "lampe", "neu", "東京", "don", "t"]
