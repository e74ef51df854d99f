"""A night's release of the index: what it answers, what it says of itself, and when it goes live."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from daybreak.datasets import ITEMS, USERS
from daybreak.embeddings import EMBEDDING_RUNS, EMBEDDINGS
from daybreak.errors import DaybreakError, InputError
from daybreak.lake import Lake
from daybreak.learning import CHAMPIONS, ITEM, TOWER_CANDIDATES, USER, Model
from daybreak.settings import Settings
from indexing.arrays import NOWHERE
from indexing.recall import recall
from indexing.spaces import Space
from tests.indexing.vectors import (
    FEW,
    GONE,
    LEFT,
    TWINS,
    best,
    builds,
    compared,
    gates,
    home_in,
    index_night,
    list_candidates,
    live,
    names,
    publish,
    put_night,
    rows_of,
    shards,
    store_of,
    world,
)
from tests.tiny import day

KINDS = ("exact", "ivf_flat:cells=8", "ivf_sq8:cells=8", "ivf_pq:cells=4,parts=8", "ivf_pq4:cells=4,parts=8", "hnsw")
BUILT = ("ivf_flat:cells=8", "hnsw:links=16,breadth=60")
MANY = 900
"""Items among which graphs find their way under filters."""


@pytest.fixture(scope="module")
def exact(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with one night, searched exactly. Nobody changes it."""
    settings = home_in(tmp_path_factory.mktemp("exact"), index="exact")
    index_night(settings, 1, world())
    return settings


def asked_and_found(space: Space) -> tuple[np.ndarray, list[str], np.ndarray]:
    """Everybody's queries in a space, the items that may be shown, and their vectors there."""
    ids, items = world().listed
    asked = world().active[1] if space is Space.FOR_USERS else items
    return compared(space, asked), ids, compared(space, items)


@pytest.mark.parametrize("space", Space)
def test_an_exact_index_answers_as_plain_numpy_does(exact: Settings, space: Space) -> None:
    """To the item and to the bit of its score, also where products are equal."""
    queries, ids, items = asked_and_found(space)
    rows, scores = live(exact).search(space, queries, 40)
    told = best(queries, items, 40)
    assert names(live(exact).items.ids, rows) == [[ids[row] for row, _ in line] for line in told]
    assert scores.tolist() == [[score for _, score in line] for line in told]


def test_equal_items_stand_in_the_order_of_their_ids(exact: Settings) -> None:
    """Twins have one score, and the one whose id is first stands first."""
    index = live(exact)
    for user in world().active[0][:20]:
        found = index.ask(Space.FOR_USERS, user, len(index))
        place = {name: at for at, name in enumerate(found.ids)}
        for first, second in TWINS:
            assert found.scores[place[first]] == found.scores[place[second]]
            assert place[first] < place[second]


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_finds_what_was_asked_of_it(tmp_path: Path, kind: str) -> None:
    """The release of a good night goes live, and over everybody its lists hold the recall that the settings ask for."""
    settings = home_in(tmp_path, index=kind)
    assert index_night(settings, 1, world())["published"]
    index = live(settings)
    for space in Space:
        queries, _, _ = asked_and_found(space)
        found, _ = index.search(space, queries, 100)
        truth, _ = index.search(space, queries, 100, exact=True)
        assert recall(found, truth) >= settings.index_recall
        assert str(index.contents.specifications[space]).startswith(kind)


@pytest.mark.parametrize("kind", BUILT)
def test_what_an_index_finds_has_its_exact_score(tmp_path: Path, kind: str) -> None:
    """Only what is found is approximate: each score is that of the vectors, best first."""
    settings = home_in(tmp_path, items=MANY, index=kind)
    vectors = world(items=MANY)
    index_night(settings, 1, vectors)
    ids, items = vectors.listed
    queries = vectors.active[1]
    rows, scores = live(settings).search(Space.FOR_USERS, queries, 30)
    products = (queries.astype(np.float64) @ items.astype(np.float64).T).astype(np.float32)
    places = np.array([[ids.index(name) for name in line] for line in names(live(settings).items.ids, rows)])
    assert np.array_equal(scores, np.take_along_axis(products, places, axis=1))
    assert (np.diff(scores, axis=1) <= 0).all()


@pytest.mark.parametrize("count", [2, 3])
def test_shards_answer_as_one_index_would(exact: Settings, tmp_path: Path, count: int) -> None:
    """Searched exactly, the lists of two or three shards are those of one, with the same scores. Equals stand in the
    order of their shards, so at the end of a list one may stand for another."""
    settings = home_in(tmp_path, index="exact", index_shards=count)
    index_night(settings, 1, world())
    whole, parted = live(exact), live(settings)
    for space in Space:
        queries, _, _ = asked_and_found(space)
        (rows, scores), (parted_rows, parted_scores) = (each.search(space, queries, 25) for each in (whole, parted))
        assert np.array_equal(scores, parted_scores)
        surely = scores > scores[:, -1:]
        told, found = (
            names(index.items.ids, np.where(surely, each, NOWHERE))
            for index, each in ((whole, rows), (parted, parted_rows))
        )
        assert [sorted(line) for line in found] == [sorted(line) for line in told]


@pytest.mark.parametrize("kind", BUILT)
def test_shards_of_a_built_index_find_what_was_asked_of_them(tmp_path: Path, kind: str) -> None:
    """Each shard is built by itself, and together they reach the recall."""
    settings = home_in(tmp_path, items=MANY, index=kind, index_shards=3)
    vectors = world(items=MANY)
    assert index_night(settings, 1, vectors)["shards"] == 3
    index, queries = live(settings), vectors.active[1]
    found, truth = (index.search(Space.FOR_USERS, queries, 50, exact=exactly)[0] for exactly in (False, True))
    assert recall(found, truth) >= settings.index_recall


@pytest.mark.parametrize("kind", ["exact", *BUILT])
def test_a_second_run_of_a_night_is_the_same_release(tmp_path: Path, kind: str) -> None:
    """Whether in this home or in another, the same tables give the same release, byte by byte."""
    releases = []
    for home in ("one", "other"):
        settings = home_in(tmp_path / home, items=MANY, index=kind)
        releases.append(index_night(settings, 1, world(items=MANY))["release"])
    shards(settings, 1)
    releases.append(publish(settings, 1)["release"])
    assert len(set(releases)) == 1
    assert store_of(settings).ids() == releases[:1]


def test_a_backfilled_night_is_kept_beside(tmp_path: Path) -> None:
    """The release of an older day than the live one is proven and kept, and does not go live."""
    settings = home_in(tmp_path, index="exact")
    newer = index_night(settings, 3, world(3))
    older = index_night(settings, 2, world(2))
    assert not older["published"]
    assert newer["release"] in older["because"]
    assert live(settings).name == newer["release"]
    assert store_of(settings).open(older["release"]).is_good
    assert builds(settings, 2)[0]["release"] == older["release"]


def test_a_night_does_not_move_a_pinned_pointer(tmp_path: Path) -> None:
    """What a person pinned stays live; the night's release stands beside it, good."""
    settings = home_in(tmp_path, index="exact")
    first = index_night(settings, 1, world(1))["release"]
    store_of(settings).pin(reason="a person wants it so")
    second = index_night(settings, 2, world(2))
    assert (second["published"], second["because"]) == (False, f"{first} is pinned")
    assert live(settings).name == first
    assert store_of(settings).open(second["release"]).is_good


def test_without_a_champion_nothing_is_built(tmp_path: Path) -> None:
    """No release, and the night's tables are there and empty."""
    settings = home_in(tmp_path, index="hnsw")
    assert index_night(settings, 1, None) == {"release": "no champion yet"}
    assert (gates(settings, 1), builds(settings, 1), list_candidates(settings, 1)) == ({}, [], [])
    assert not store_of(settings).ids()
    assert Lake.of(settings).table(TOWER_CANDIDATES).was_written(day(1))


@pytest.mark.parametrize("kind", BUILT)
def test_a_night_waits_for_every_shard(tmp_path: Path, kind: str) -> None:
    """One that was not built is named, with the command that builds it; once it is built the night goes on."""
    settings = home_in(tmp_path, items=MANY, index=kind, index_shards=2)
    put_night(settings, 1, world(items=MANY))
    whole = settings.elsewhere(settings.home, index_shards=1)
    shards(whole, 1)
    with pytest.raises(InputError, match=r"shard 0 of 2 .* was not built .* run indexing\.shard with number=0 first"):
        publish(settings, 1)
    assert store_of(settings).current_id() is None
    shards(settings, 1)
    assert publish(settings, 1)["published"]


def test_what_shards_left_of_earlier_nights_is_cleared_away(tmp_path: Path) -> None:
    """Once a night's release holds its shards, those of the nights before it are gone."""
    settings = home_in(tmp_path, index="ivf_flat:cells=8")
    for night in (1, 2):
        index_night(settings, night, world(night))
    assert {path.name for path in settings.root.glob("indexing/*")} <= {day(2)}


def test_shards_of_a_night_that_was_not_published_yet_are_left_for_it(tmp_path: Path) -> None:
    """As when an older night is made beside a newer one."""
    settings = home_in(tmp_path, index="ivf_flat:cells=8")
    put_night(settings, 1, world(1))
    shards(settings, 1)
    index_night(settings, 2, world(2))
    assert publish(settings, 1)["release"] in store_of(settings).ids()


def test_shards_of_other_vectors_are_never_taken(tmp_path: Path) -> None:
    """Where the night's vectors were made anew after the shards were built, the shards are built again first."""
    settings = home_in(tmp_path, index="ivf_flat:cells=8")
    put_night(settings, 1, world(1))
    shards(settings, 1)
    put_night(settings, 1, world(2))
    with pytest.raises(InputError, match="was not built from tonight's vectors"):
        publish(settings, 1)
    shards(settings, 1)
    assert publish(settings, 1)["published"]


def test_the_manifest_says_what_the_release_was_made_from(exact: Settings) -> None:
    """The version and digest of the model, and the version of each table that was read."""
    release = store_of(exact).current()
    lake = Lake.of(exact)
    tables = {table.name: lake.table(table).version() for table in (EMBEDDINGS, EMBEDDING_RUNS, ITEMS, USERS)}
    assert release.manifest.model == "two_tower-1"
    assert release.manifest.ds == day(1)
    assert release.manifest.built_from["models"] == {Model.TWO_TOWER: {"version": 1, "digest": world().digest}}
    assert tables.items() <= release.manifest.built_from["tables"].items()
    told = live(exact).contents
    assert (told.version, told.digest, told.ds, told.fresh_until[:10]) == (1, world().digest, day(1), day(2))
    assert set(told.parts) == set(release.manifest.files) - {"index.json"}


def test_the_night_notes_its_release(exact: Settings) -> None:
    """The table of builds names the release, its version and how much is in it; every gate holds."""
    (row,) = builds(exact, 1)
    assert row["release"] == store_of(exact).current_id()
    assert (row["model"], row["version"], row["items"], row["users"]) == ("two_tower", 1, 297, 118)
    assert all(gate["passed"] and gate["release"] == row["release"] for gate in gates(exact, 1).values())


def test_who_may_not_be_listed_is_not_in_the_index(exact: Settings) -> None:
    """Items that are deactivated, retired or not launched are not found; users that left are not asked for."""
    index = live(exact)
    ids = set(index.items.ids.to_pylist())
    assert ids == set(world().item_ids) - set(GONE)
    assert set(index.users.ids.to_pylist()) == set(world().user_ids) - set(LEFT)
    asked = [(Space.FOR_ITEMS, each) for each in GONE] + [(Space.FOR_USERS, each) for each in LEFT]
    for space, name in asked:
        with pytest.raises(InputError, match=f"{name}: it came after"):
            index.ask(space, name, 5)


def test_cells_that_are_written_down_are_shared_out_among_shards(tmp_path: Path) -> None:
    """They are meant for all vectors, as `daybreak index choose` measures them."""
    settings = home_in(tmp_path, index="ivf_flat:cells=32", index_shards=4)
    index_night(settings, 1, world())
    index = live(settings)
    assert str(index.contents.specifications[Space.FOR_USERS]) == "ivf_flat:cells=8"
    assert {ann.index.nlist for ann in index._anns[Space.FOR_USERS]} <= {7, 8}


@pytest.mark.parametrize("kind", ["exact", "ivf_flat:cells=8"])
def test_candidates_are_what_numpy_lists(tmp_path: Path, kind: str) -> None:
    """For each user so many items, beside each item so many others than itself, ranks from 0, by the night's version.
    So small a catalogue is searched exactly whatever its index is."""
    settings = home_in(tmp_path, index=kind)
    index_night(settings, 1, world(1, version=2))
    rows = list_candidates(settings, 1, a_user=30, an_item=12, block=50)
    ids, items = world(1, version=2).listed
    users, user_vectors = world(1, version=2).active
    told = {}
    plain, beside = compared(Space.FOR_ITEMS, items), range(len(ids))
    for name, line in zip(users, best(user_vectors, items, 30), strict=True):
        told[USER, name] = [ids[row] for row, _ in line]
    for name, line in zip(ids, best(plain, plain, 12, own=beside), strict=True):
        told[ITEM, name] = [ids[row] for row, _ in line]
    found: dict[tuple[str, str], list[str]] = {}
    for row in sorted(rows, key=lambda row: row["rank"]):
        mine = found.setdefault((row["query"], row["query_id"]), [])
        assert (row["rank"], row["version"]) == (len(mine), 2)
        mine.append(row["item_id"])
    assert found == told


def test_candidates_come_from_the_nights_own_release(tmp_path: Path) -> None:
    """Also of a backfilled night, whose release is not the live one."""
    settings = home_in(tmp_path, index="exact")
    index_night(settings, 3, world(3, version=2))
    index_night(settings, 2, world(2, version=1), limits={**FEW, "size_change": 0.5})
    assert {row["version"] for row in list_candidates(settings, 2, a_user=3, an_item=3)} == {1}
    assert {row["version"] for row in list_candidates(settings, 3, a_user=3, an_item=3)} == {2}


def test_candidates_wait_for_the_night(tmp_path: Path) -> None:
    """Before the night's release is made there is nothing to list, and the step that makes it is named."""
    settings = home_in(tmp_path, index="exact")
    with pytest.raises(DaybreakError, match=r"daybreak run indexing\.publish"):
        list_candidates(settings, 1)
    assert not rows_of(settings, CHAMPIONS, 1)
