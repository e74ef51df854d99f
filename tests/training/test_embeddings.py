"""The vectors of a night are those that its champion gives, kept where nothing changed, and never mixed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from daybreak.embeddings import EMBEDDING_RUNS, EMBEDDINGS
from daybreak.errors import InputError, ModelError
from daybreak.features.services import TWO_TOWER
from daybreak.lake import Lake, Window
from daybreak.learning import CHAMPIONS, ITEM, USER, Model
from daybreak.settings import Settings
from daybreak.vectors import matrix_of, run_of, vectors_of
from tests.lake import io_of, put, put_days
from tests.tiny import Row, day, event
from tests.training.homes import copy_of, run_night
from tests.training.learning_homes import NIGHT, WORLD
from tests.training.registry.toys import move, registered
from tests.training.worlds import put_counted
from training import embedding_blocks, embeddings
from training.data.ids import IdMap
from training.night_view import night_view
from training.registry.versions import Versions
from training.towers import TowerScorer, read

pytestmark = pytest.mark.slow
NEXT = NIGHT + 1
Vectors = dict[tuple[str, str], np.ndarray]


@pytest.fixture
def home(learned: Settings, tmp_path: Path) -> Settings:
    return copy_of(learned, tmp_path)


def kept(settings: Settings, night: int) -> Vectors:
    """The vector of each id, as a night stands on them."""
    io = io_of("training.embeddings", settings, day(night))
    run = run_of(io, day(night))
    assert run is not None
    rows = vectors_of(io, run, day(night))
    keys = zip(rows["entity"].to_pylist(), rows["entity_id"].to_pylist(), strict=True)
    return dict(zip(keys, matrix_of(rows["vector"], "kept", "mend them"), strict=True))


def scored(settings: Settings, night: int, version: int = 1) -> Vectors:
    """The same as the champion makes them at once."""
    io = io_of("training.embeddings", settings, day(night))
    view, versions = night_view(io, 90, with_features=True), Versions.of(settings)
    scorer = read(versions.fetch(versions.get(Model.TWO_TOWER, version))).at(view)
    assert isinstance(scorer, TowerScorer)
    users = scorer.user_vectors(np.arange(len(view.users)))
    return by_id(USER, view.users, users) | by_id(ITEM, view.items, scorer.item_vectors)


def by_id(entity: str, ids: IdMap, vectors: np.ndarray) -> Vectors:
    return {(entity, name): vector for name, vector in zip(ids.ids.to_pylist(), vectors, strict=True)}


def assert_equal(found: Vectors, expected: Vectors) -> None:
    assert set(found) == set(expected)
    for key, vector in expected.items():
        np.testing.assert_allclose(found[key], vector, rtol=1e-5, atol=1e-5)


def a_quiet_day(settings: Settings, wanted: Sequence[Row] = (), night: int = NEXT) -> None:
    """Another day after the last one: some events, and of users and items what the last night knew of them."""
    lake = Lake.of(settings)
    put_counted(lake, {night: wanted})
    for chosen in TWO_TOWER.chosen:
        if chosen.view.nightly:
            rows = lake.table(chosen.view.dataset).read(Window(day(NIGHT), day(NIGHT))).to_pylist()
            put_days(lake, chosen.view.dataset, {day(night): [{**row, "ds": day(night)} for row in rows]})


def embedded(settings: Settings, night: int, **options: object) -> Row:
    """What the step says after the champions of that night are known."""
    run_night(settings, night, "ids", "candidates")
    return run_night(settings, night, "embeddings", **options)["embeddings"]


def test_everybody_has_the_vector_that_the_champion_gives(learned):
    """Users and items alike, whatever block they were in."""
    assert_equal(kept(learned, NIGHT), scored(learned, NIGHT))


def test_the_night_says_whose_vectors_it_stands_on(learned):
    """Version, digest, since which night, and how many there are."""
    (row,) = Lake.of(learned).table(EMBEDDING_RUNS).read(Window(day(NIGHT), day(NIGHT))).to_pylist()
    version = Versions.of(learned).get(Model.TWO_TOWER, 1)
    users, items = len(WORLD.users_map), len(WORLD.items_map)
    assert row == {
        "model": "two_tower",
        "version": 1,
        "digest": version.digest,
        "since": day(NIGHT),
        "users": users,
        "items": items,
        "made": users + items,
        "gap": None,
        "ds": day(NIGHT),
    }


def test_blocks_change_nothing(home):
    """A few at a time give what all at once give."""
    run_night(home, NIGHT, "embeddings", block=7)
    assert_equal(kept(home, NIGHT), scored(home, NIGHT))


def test_only_those_whose_inputs_changed_are_made_again(home):
    """On a day that tells nothing new of items their vectors stand; users' memories have aged, so theirs are made;
    and all of them are what the champion gives that night."""
    a_quiet_day(home)
    summary = embedded(home, NEXT)
    assert (summary["whole"], summary["made"]) == (False, len(WORLD.users_map))
    made = Lake.of(home).table(EMBEDDINGS).read(Window(day(NEXT), day(NEXT))).to_pylist()
    assert {row["entity"] for row in made} == {USER}
    assert_equal(kept(home, NEXT), scored(home, NEXT))


def test_small_changes_may_be_left_out_of_account(home):
    """Then who did nothing keeps the vector, and who wanted something gets another."""
    user = WORLD.user(0, 0)
    run_night(home, NIGHT, "embeddings", ignored_change=0.2)
    a_quiet_day(home, [event(n, day(NEXT), user, WORLD.item(1, n), "purchase") for n in range(4)])
    summary = embedded(home, NEXT, ignored_change=0.2)
    assert 0 < summary["made"] < len(WORLD.users_map) / 2
    made = Lake.of(home).table(EMBEDDINGS).read(Window(day(NEXT), day(NEXT))).to_pylist()
    assert user in {row["entity_id"] for row in made}


def test_a_whole_run_measures_what_keeping_costs(home):
    """It makes everybody's anew, by the same model, and says how far those that stood lay from them."""
    run_night(home, NIGHT, "embeddings", ignored_change=0.2)
    a_quiet_day(home)
    summary = embedded(home, NEXT, ignored_change=0.2, full=True)
    assert summary["whole"]
    assert summary["made"] == len(WORLD.users_map) + len(WORLD.items_map)
    assert 0 < summary["gap"] < 0.05
    assert run_of(io_of("training.embeddings", home, day(NEXT)), day(NEXT)).since == day(NEXT)


def test_a_run_is_whole_when_the_last_whole_one_has_grown_old(home):
    """After so many days, whether anything changed or not."""
    a_quiet_day(home)
    assert embedded(home, NEXT, full_every_days=1)["whole"]


def test_vectors_that_were_kept_too_long_stop_the_night(home):
    """A gap beyond the bound says what to do, and nothing is written."""
    run_night(home, NIGHT, "embeddings", ignored_change=0.2)
    a_quiet_day(home)
    run_night(home, NEXT, "ids", "candidates")
    with pytest.raises(ModelError, match=r"lie up to .* of a mean length .*: lower ignored_change"):
        run_night(home, NEXT, "embeddings", ignored_change=0.2, full=True, largest_gap=1e-6)
    assert not Lake.of(home).table(EMBEDDINGS).was_written(day(NEXT))


def test_a_second_run_of_a_night_makes_the_same(home):
    """Digests are equal, of whole runs and of others."""
    a_quiet_day(home)
    tables = [Lake.of(home).table(dataset) for dataset in (EMBEDDINGS, EMBEDDING_RUNS)]
    embedded(home, NEXT)
    first = [table.digest(day(NEXT)) for table in tables]
    embedded(home, NEXT)
    assert [table.digest(day(NEXT)) for table in tables] == first


def test_an_interrupted_run_goes_on_where_it_stood(home, monkeypatch):
    """Blocks that were finished are taken up as they lie there, and cleared away once the night is committed."""
    real, asked = embedding_blocks.Maker._made, []

    def interrupted(self, rows, inputs, prints):
        asked.append(len(prints))
        if len(asked) == 3:
            raise KeyboardInterrupt
        return real(self, rows, inputs, prints)

    monkeypatch.setattr(embedding_blocks.Maker, "_made", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_night(home, NIGHT, "embeddings", block=20)
    monkeypatch.undo()
    left = list((home.scratch / "embeddings").rglob("*.npy"))
    assert len(left) == 2
    mark = np.load(left[0])
    mark[0] = 7.0
    np.save(left[0], mark)
    run_night(home, NIGHT, "embeddings", block=20)
    marked = [key for key, vector in kept(home, NIGHT).items() if (vector == 7.0).all()]
    assert len(marked) == 1
    assert not list((home.scratch / "embeddings").rglob("*.npy"))


def test_another_champion_makes_all_of_them_anew(home):
    """No vector of the one before is kept beside those of the other."""
    versions = Versions.of(home)
    bundle = versions.fetch(versions.get(Model.TWO_TOWER, 1))
    a_quiet_day(home)
    lake = Lake.of(home)
    run_night(home, NEXT, "ids", "candidates")
    (towers,) = [
        row
        for row in lake.table(CHAMPIONS).read(Window(day(NIGHT), day(NIGHT))).to_pylist()
        if row["model"] == Model.TWO_TOWER
    ]
    put_runs(home, {**towers, "digest": "of another"})
    assert run_night(home, NEXT, "embeddings")["embeddings"]["whole"]
    assert bundle.digest == run_of(io_of("training.embeddings", home, day(NEXT)), day(NEXT)).digest


def put_runs(settings: Settings, champion: Row) -> None:
    """The last night as if another model had made its vectors."""
    lake = Lake.of(settings)
    (row,) = lake.table(EMBEDDING_RUNS).read(Window(day(NIGHT), day(NIGHT))).to_pylist()
    put(lake, EMBEDDING_RUNS, day(NIGHT), [{**row, "digest": champion["digest"]}])


def test_without_a_champion_nothing_is_made(home):
    """The tables of the night are there and empty."""
    put(Lake.of(home), CHAMPIONS, day(NIGHT), [])
    assert run_night(home, NIGHT, "embeddings")["embeddings"] == {"version": "no champion yet", "made": 0}
    for dataset in (EMBEDDINGS, EMBEDDING_RUNS):
        assert Lake.of(home).table(dataset).was_written(day(NIGHT))
        assert Lake.of(home).table(dataset).read(Window(day(NIGHT), day(NIGHT))).num_rows == 0


def test_towers_do_not_embed_a_night_without_features(home):
    """It says which views are missing, before any model is loaded."""
    put_counted(Lake.of(home), {NEXT: []})
    run_night(home, NEXT, "ids", "candidates")
    with pytest.raises(InputError, match=f"{day(NEXT)} lacks views of the service two_tower"):
        run_night(home, NEXT, "embeddings")


def test_a_champion_that_cannot_be_loaded_stops_the_night(home):
    """In one sentence, and what was made before stays."""
    versions = Versions.of(home)
    move(versions, registered(versions, day(NIGHT), Model.TWO_TOWER))
    before = Lake.of(home).table(EMBEDDINGS).version()
    run_night(home, NIGHT, "candidates")
    with pytest.raises(ModelError, match="version 2 of model two_tower cannot be used"):
        run_night(home, NIGHT, "embeddings")
    assert Lake.of(home).table(EMBEDDINGS).version() == before


def test_vectors_that_are_no_numbers_stop_the_night(home, monkeypatch):
    """It names the first of whom it is so; once the fault is gone the same command makes the night."""

    def broken(name, ids, inputs, tower, *rest):
        return embedding_blocks.Maker(name, ids, inputs, lambda *given: tower(*given) * np.float32(np.nan), *rest)

    monkeypatch.setattr(embeddings, "Maker", broken)
    with pytest.raises(ModelError, match=f"a vector with NaN or infinity in it, the first to {WORLD.user(0, 0)}"):
        run_night(home, NIGHT, "embeddings")
    monkeypatch.undo()
    assert run_night(home, NIGHT, "embeddings")["embeddings"]["made"] > 0


def test_a_finished_block_that_was_cut_short_is_made_again(home, monkeypatch):
    """As when the machine went down while it was written."""
    run_night(home, NIGHT, "embeddings", block=20)
    told = kept(home, NIGHT)
    real = embedding_blocks.np.save

    def cut(file, vectors, **how):
        real(file, vectors, **how)
        file.truncate(40)
        if len(vectors) < 20:
            raise KeyboardInterrupt

    monkeypatch.setattr(embedding_blocks.np, "save", cut)
    with pytest.raises(KeyboardInterrupt):
        run_night(home, NIGHT, "embeddings", block=20)
    monkeypatch.undo()
    assert {path.stat().st_size for path in (home.scratch / "embeddings").rglob("*.npy")} == {40}
    run_night(home, NIGHT, "embeddings", block=20)
    again = kept(home, NIGHT)
    assert again.keys() == told.keys()
    assert all(np.array_equal(again[key], vector) for key, vector in told.items())
