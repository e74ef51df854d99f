"""Vectors, releases and settings that cannot be used: one sentence says what, where and the way out, and what is live
goes on serving."""

from __future__ import annotations

import json
import re
import resource
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from daybreak.errors import DaybreakError, InputError, ModelError, ReleaseError
from daybreak.files import sha256_of
from daybreak.releases import FileEntry, Manifest
from daybreak.settings import Settings
from indexing import writing
from indexing.ann import build, read
from indexing.contents import ALIKE_FILE, CONTENTS_FILE, ITEMS_FILE, USERS_FILE
from indexing.embedded import Embedded
from indexing.opened import OpenIndex
from indexing.spaces import Space
from indexing.specification import Effort, Specification
from tests.indexing.vectors import Vectors, home_in, index_night, live, publish, put_night, shards, store_of, world
from tests.tiny import day
from tests.training.homes import copy_of

FIRST, SECOND = 1, 2
SHARD = "for_users-000.faiss"
PARTS = (USERS_FILE, ITEMS_FILE, ALIKE_FILE, SHARD, CONTENTS_FILE)
BIAS_ALONE = np.eye(17, dtype=np.float32)[16]
WAY_OUT = "run training.embeddings with full=true"


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with two nights, the second of them live. Who changes it changes a copy."""
    settings = home_in(tmp_path_factory.mktemp("standing"), index="ivf_flat:cells=8")
    for night in (FIRST, SECOND):
        index_night(settings, night, world(night))
    return settings


@pytest.fixture
def home(standing: Settings, tmp_path: Path) -> Settings:
    return copy_of(standing, tmp_path)


@contextmanager
def refused(settings: Settings, kind: type[DaybreakError], *said: str) -> Iterator[None]:
    """What runs in the block is refused in one sentence that says all of this, and what is live answers as before."""
    before = live(settings)
    answer = before.ask(Space.FOR_USERS, "u0001", 20)
    with pytest.raises(kind) as caught:
        yield
    told = str(caught.value)
    assert "\n" not in told
    assert [each for each in said if each not in told] == [], told
    assert live(settings).ask(Space.FOR_USERS, "u0001", 20) == answer


def with_item(place: int, vector: Any) -> Callable[[Vectors], Vectors]:
    def changed(told: Vectors) -> Vectors:
        items = list(told.items)
        items[place] = vector
        return replace(told, items=items)

    return changed


def twice(told: Vectors) -> Vectors:
    """One of the items again, with the vector of another."""
    ids = (*told.item_ids, told.item_ids[42])
    return replace(told, item_ids=ids, items=np.r_[told.items, told.items[:1]])


UNFIT: dict[str, tuple[Callable[[Vectors], Vectors], type[DaybreakError], tuple[str, ...]]] = {
    "nan": (with_item(42, [np.nan] * 17), InputError, ("items of", "NaN or infinity in 1 vectors", "i0042", WAY_OUT)),
    "infinity": (
        lambda told: replace(told, users=np.where(np.arange(120)[:, None] == 5, np.float32(np.inf), told.users)),
        InputError,
        ("users of", "NaN or infinity in 1 vectors", "u0005", WAY_OUT),
    ),
    "zero": (
        with_item(42, [0.0] * 17),
        InputError,
        ("items of", "nothing but zeros, besides the bias, in 1", "i0042", WAY_OUT),
    ),
    "a bias alone": (with_item(42, [0.0] * 16 + [1.0]), InputError, ("nothing but zeros, besides", "i0042", WAY_OUT)),
    "a user without direction": (
        lambda told: replace(told, users=np.where(np.arange(120)[:, None] == 5, BIAS_ALONE, told.users)),
        InputError,
        ("users of", "nothing but zeros, besides the bias, in 1", "u0005", WAY_OUT),
    ),
    "lengths": (with_item(42, [1.0] * 9), ModelError, ("different lengths (17, 9)", "embeddings/vectors", WAY_OUT)),
    "users of another model": (
        lambda told: replace(told, users=world(places=9).users),
        DaybreakError,
        ("expected queries of 17 places, found 9", "another model"),
    ),
    "an id twice": (twice, DaybreakError, ("i0042", "more than once", WAY_OUT)),
    "nothing to list": (lambda told: told.only(slice(7, 10)), InputError, ("no vector of items", WAY_OUT)),
}


@pytest.mark.parametrize("what", UNFIT)
def test_vectors_that_cannot_be_indexed_are_refused(home: Settings, what: str) -> None:
    """By whichever of the steps meets them first."""
    change, kind, said = UNFIT[what]
    with refused(home, kind, *said):
        index_night(home, 3, change(world(3)))


def test_an_id_has_one_vector() -> None:
    """Ids that stand twice are counted, and the first is named."""
    ids = pa.array(["a", "b", "a", "c", "b"])
    with pytest.raises(InputError, match=rf"items of today: 2 ids stand more than once, the first a; {WAY_OUT}"):
        Embedded.of(ids, np.ones((5, 3), np.float32), 1, "items of today", WAY_OUT)


def test_each_id_has_a_vector() -> None:
    """Fewer vectors than ids are refused, and so are vectors of a bias alone."""
    ids = pa.array(["a", "b"])
    with pytest.raises(InputError, match="expected a vector for each of 2 ids, found 1"):
        Embedded.of(ids, np.ones((1, 3), np.float32), 1, "items of today", WAY_OUT)
    with pytest.raises(InputError, match="the vectors have 1 places, and a bias alone leads nowhere"):
        Embedded.of(ids, np.ones((2, 1), np.float32), 1, "items of today", WAY_OUT)


def test_queries_of_another_model_are_refused(home: Settings) -> None:
    """Told by how many places they have, with the model to embed them with."""
    said = ("expected queries of 17 places, found 9", "embed them with", "two_tower-1", live(home).name)
    with refused(home, InputError, *said):
        live(home).search(Space.FOR_USERS, world(places=9).users, 5)


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"index": "ivf_flat:cells=512"}, ("512 vectors at least, found 297", "choose exact")),
        ({"index": "ivf_pq:cells=4,parts=8", "index_shards": 2}, ("of 2 shards of 297", "256 vectors at least")),
        ({"index": "exact", "index_shards": 1024}, ("of 1024 would hold none of the 297 ids", "choose fewer shards")),
        ({"index": "tree"}, ("DAYBREAK_INDEX is 'tree'", "write auto, exact, ivf_flat")),
        ({"index": ""}, ("DAYBREAK_INDEX is ''",)),
        ({"index": "tree:cells=3"}, ("'tree:cells=3' is no index", "such as ivf_flat:cells=1024")),
        ({"index": "ivf_flat:cells"}, ("'ivf_flat:cells' is no index",)),
        ({"index": "ivf_flat:cells=many"}, ("'ivf_flat:cells=many' is no index",)),
        ({"index": "ivf_flat:lists=8"}, ("'ivf_flat:lists=8' is no index",)),
        ({"index": "ivf_flat:cells=0"}, ("ivf_flat takes cells (at least 1), but cells is 0",)),
        ({"index": "ivf_flat:cells=-4"}, ("but cells is -4",)),
        ({"index": "ivf_pq:cells=8"}, ("takes cells (at least 1), parts (at least 1), but parts is 0",)),
        ({"index": "exact:cells=8"}, ("exact takes no number, but cells is 8",)),
    ],
)
def test_an_index_that_cannot_be_built_is_refused(home: Settings, choices: dict[str, Any], said: Any) -> None:
    """Too few vectors, too many shards, and words that name no index."""
    with refused(home, DaybreakError, *said):
        index_night(home.elsewhere(home.home, **choices), 3, world(3))


def test_a_graph_of_single_links_is_refused() -> None:
    """With one link a vector there is no graph: the library that builds it would not survive the attempt."""
    with pytest.raises(InputError, match="hnsw"):
        Specification.parse("hnsw:links=1,breadth=10")


@pytest.mark.parametrize("parts", [3, 5, 6, 7, 12])
@pytest.mark.parametrize("kind", ["ivf_pq", "ivf_pq4"])
def test_vectors_can_be_cut_into_any_number_of_parts(kind: str, parts: int) -> None:
    """Whatever their width: they are filled up to what the parts need."""
    vectors = world(items=280, twins=False).items[:, :13]
    ann = build(Specification.parse(f"{kind}:cells=2,parts={parts}"), vectors, seed=1)
    rows, _ = ann.search(vectors[:5] * 10, 3, Effort(probes=1, again=32))
    assert (rows >= 0).all()


def test_a_shard_that_was_cut_short_is_built_again(home: Settings) -> None:
    """A machine that goes down may leave a file without its end: publishing refuses it, and the same commands once
    more publish the night."""
    put_night(home, 3, world(3))
    shards(home, 3)
    (left,) = home.root.glob(f"indexing/{day(3)}/for_users-*.faiss")
    left.write_bytes(left.read_bytes()[:-1_000])
    with refused(home, ReleaseError, left.name, "cannot be read", "build the index again"):
        publish(home, 3)
    shards(home, 3)
    assert publish(home, 3)["published"]


def test_an_index_of_other_vectors_is_refused(tmp_path: Path) -> None:
    """A file that holds more vectors, or wider ones, than it should."""
    specification, vectors = Specification.parse("ivf_flat:cells=4"), world().items
    build(specification, vectors, seed=1).write(tmp_path / SHARD)
    for others in (vectors[:200], np.c_[vectors, vectors]):
        with pytest.raises(ReleaseError, match=rf"{SHARD} holds 300 vectors of 24 places, where .* of another night"):
            read(tmp_path / SHARD, specification, others)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip_a_bit(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 4
    path.write_bytes(content)


DAMAGES: Mapping[str, tuple[Callable[[Path], None], str]] = {
    "cut": (cut, "bytes and should have"),
    "bit": (flip_a_bit, "checksum of file"),
    "missing": (Path.unlink, "is missing; roll back or build it again"),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_file_is_refused(home: Settings, damage: str) -> None:
    """Each file by its name; after a rollback the night before serves, whatever lies in the damaged folder."""
    harm, said = DAMAGES[damage]
    store, (older, newer) = store_of(home), sorted(store_of(home).ids())
    for name in PARTS:
        kept = shutil.copytree(store.folder / newer, home.root / "kept")
        harm(store.folder / newer / name)
        with pytest.raises(ReleaseError, match=rf"release {newer}: .*file {re.escape(name)} ?.*{said}|{said} {name}"):
            OpenIndex.of(store.current())
        shutil.rmtree(store.folder / newer)
        kept.rename(store.folder / newer)
    harm(store.folder / newer / SHARD)
    store.rollback(reason="it is damaged")
    assert live(home).name == older


@pytest.mark.parametrize("damage", ["cut", "missing"])
@pytest.mark.parametrize("name", PARTS)
def test_a_damaged_file_is_refused_also_where_nobody_verified_it(home: Settings, damage: str, name: str) -> None:
    """Who lists releases does not read all their bytes, and still meets one sentence."""
    store = store_of(home)
    release = store.current()
    DAMAGES[damage][0](release.file(name))
    with pytest.raises(ReleaseError, match=re.escape(name)) as caught:
        OpenIndex.of(store.open(release.id, verify=False))
    assert "\n" not in str(caught.value)


def rewritten(settings: Settings, release_id: str, files: Mapping[str, bytes]) -> str:
    """The release with other files, of which its manifest says what they are; its id."""
    store = store_of(settings)
    release = store.open(release_id)
    folder = shutil.copytree(release.path, store.folder / ".rewritten")
    entries = dict(release.manifest.files)
    for name, content in files.items():
        (folder / name).write_bytes(content)
        entries[name] = FileEntry(len(content), sha256_of(folder / name), entries[name].rows)
    manifest: Manifest = replace(release.manifest, files=entries)
    (folder / "manifest.json").write_bytes(manifest.to_bytes())
    folder.rename(store.folder / manifest.release_id)
    return manifest.release_id


@pytest.mark.parametrize("name", [USERS_FILE, ITEMS_FILE, ALIKE_FILE, SHARD])
def test_a_part_of_another_night_is_refused(home: Settings, name: str) -> None:
    """Even where the manifest names it with its right checksum."""
    store, (older, newer) = store_of(home), sorted(store_of(home).ids())
    mixed = rewritten(home, newer, {name: store.open(older).file(name).read_bytes()})
    with refused(home, ReleaseError, mixed, f"{name} is not the part that this index was built with", "roll back"):
        OpenIndex.of(store.open(mixed, verify=True))


@pytest.mark.parametrize(
    ("field", "other", "said"),
    [
        ("digest", "b2" * 32, "parts of two models are never opened together"),
        ("version", 2, "says it is of two_tower-1, its index of two_tower-2"),
        ("format", 9, "this program reads indexes of format 1"),
        ("parts", {}, "is not the part that this index was built with"),
        ("known", [{"space": "for_items", "id": "i0001", "found": ["i0002", "i0003"]}], "do not belong together"),
        ("known", [{"space": "for_items", "id": "i0007", "found": ["i0002"]}], "index again"),
        ("specifications", {"for_users": "tree:cells=3", "for_items": "exact"}, "cannot be read"),
        ("specifications", ["exact"], "cannot be read"),
        ("specifications", {"for_users": "ivf_flat:cells=8"}, "cannot be read"),
        ("efforts", {}, "cannot be read"),
        ("efforts", {"for_users": {"zeal": 3}}, "cannot be read"),
    ],
)
def test_a_page_of_another_index_is_refused(home: Settings, field: str, other: Any, said: str) -> None:
    """The page that ties the parts together, of another model, format or index, with its right checksum: each is an
    error of the release, so that who follows what is live stays with what it has."""
    release = store_of(home).current()
    page = {**json.loads(release.file(CONTENTS_FILE).read_bytes()), field: other}
    wrong = rewritten(home, release.id, {CONTENTS_FILE: json.dumps(page).encode()})
    with refused(home, ReleaseError, said):
        OpenIndex.of(store_of(home).open(wrong))


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"3", b'"page"', b"\xff\xfe"])
def test_a_page_that_is_none_is_refused(home: Settings, content: bytes) -> None:
    """Whatever stands there in place of it, with its right checksum."""
    wrong = rewritten(home, store_of(home).current().id, {CONTENTS_FILE: content})
    with refused(home, ReleaseError, CONTENTS_FILE, "cannot be read"):
        OpenIndex.of(store_of(home).open(wrong))


@contextmanager
def room(limit: int) -> Iterator[None]:
    """No file may grow beyond `limit` bytes in the block, which the system tells like a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("limit", [100, 4_000, 21_000])
def test_a_night_that_finds_no_room_says_so(home: Settings, limit: int) -> None:
    """Wherever the room ends, in a shard or in a file of the release: nothing half-written stays, and with room again
    the same commands publish the night."""
    put_night(home, 3, world(3))
    with refused(home, DaybreakError, "the disk is full (", "run the same command again"), room(limit):
        shards(home, 3)
    assert not [*home.root.glob(f"indexing/{day(3)}/*")]
    shards(home, 3)
    with refused(home, DaybreakError, "the disk is full (", "run the same command again"), room(limit):
        publish(home, 3)
    assert not [*store_of(home).folder.glob(".draft*")]
    assert publish(home, 3)["published"]


def test_a_disk_that_fills_up_between_two_files_is_a_full_disk(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Items still found room, and the file after them does not: the same sentence."""
    put_night(home, 3, world(3))
    shards(home, 3)
    write = writing.write_embedded
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def and_then_none(path: Path, *others: Any) -> None:
        write(path, *others)
        if path.name == ITEMS_FILE:
            resource.setrlimit(resource.RLIMIT_FSIZE, (4_000, hard))

    monkeypatch.setattr(writing, "write_embedded", and_then_none)
    try:
        with refused(home, DaybreakError, "the disk is full ("):
            publish(home, 3)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
