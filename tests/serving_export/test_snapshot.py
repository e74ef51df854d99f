"""The snapshot file gives back what was written, is the same file every time, and refuses what it cannot keep."""

from __future__ import annotations

import hashlib
import json
import math
import os
import random
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import lmdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daybreak.errors import InputError, ReleaseError
from daybreak.releases import Release, ReleaseStore
from serving_export.reader.layout import LISTS_FILE
from serving_export.reader.snapshot import Snapshot
from serving_export.snapshot import Entry, ListOf, write_lists

Lists = list[ListOf]
Items = list[tuple[str, dict[str, object]]]
Segments = list[tuple[str, str]]
SERVED = {"for_you": {"length": 50, "without_own": False, "of_items": True}}

IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=256)
LONG_IDS = st.builds(lambda tail: "é" * 250 + tail, st.text("ab", max_size=6))
SCORES = st.floats(allow_nan=False, allow_infinity=False, width=32)
SOURCES = st.sampled_from(["popular", "trending"])
CHANCES = st.one_of(st.none(), st.floats(1e-9, 1, exclude_min=True))
ENTRIES = st.lists(st.builds(Entry, IDS, SCORES, SOURCES, st.text(max_size=9), CHANCES), max_size=5)
QUERIES = st.dictionaries(st.one_of(st.just(""), IDS, LONG_IDS), ENTRIES, max_size=12)


def _of(query: str, entries: list[Entry], surface: str = "for_you") -> ListOf:
    """The list of a query; of everyone where the query is empty."""
    return ListOf(surface, "query" if query else "everyone", query, entries)


def _release(folder: Path, lists: Lists, items: Items, segments: Segments | None = None) -> Release:
    store = ReleaseStore(folder)
    with store.build(ds="2026-11-20", model="m", surfaces=("for_you",), built_from={}) as draft:
        draft.add(LISTS_FILE, rows=write_lists(draft.path / LISTS_FILE, lists, items, SERVED, segments or []))
    return store.open(draft.release_id)


def _many_lists(count: int) -> tuple[Lists, Items]:
    chance = random.Random(7)
    items: Items = [(f"i{n}", {"title": f"Title {n}", "price": n / 4}) for n in range(200)]
    lists: Lists = [
        _of(f"u{n}", [Entry(f"i{chance.randrange(200)}", chance.random(), "co") for _ in range(n % 90)])
        for n in range(count)
    ]
    return lists, items


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@settings(max_examples=60, deadline=None)
@given(queries=QUERIES, items=st.dictionaries(st.one_of(IDS, LONG_IDS), IDS, max_size=6))
def test_every_list_and_item_comes_back_under_its_own_id(
    queries: dict[str, list[Entry]], items: dict[str, str]
) -> None:
    """Whatever the ids are, a list is found under exactly the id it was written for, in order, with rounded scores."""
    with tempfile.TemporaryDirectory() as folder:
        lists = [_of(query, entries) for query, entries in queries.items()]
        release = _release(Path(folder), lists, [(item_id, {"title": title}) for item_id, title in items.items()])
        snapshot = Snapshot(release)
        assert release.manifest.files[LISTS_FILE].rows == len(lists)
        for query, entries in queries.items():
            found = snapshot.entries("for_you", query)
            assert found is not None
            told = [(entry["id"], entry["source"], entry.get("reason", "")) for entry in found]
            assert told == [(e.id, e.source, e.reason) for e in entries]
            for entry, written in zip(found, entries, strict=True):
                assert math.isclose(entry["score"], written.score, rel_tol=5e-4)
                assert ("chance" in entry) is (written.chance is not None)
                assert math.isclose(entry.get("chance", 1.0), written.chance or 1.0, rel_tol=5e-4)
        assert sorted(snapshot.queries("for_you")) == sorted(query for query in queries if query)
        assert {item_id: snapshot.told_of("for_you", item_id) for item_id in items} == {
            item_id: {"title": title} for item_id, title in items.items()
        }


@settings(max_examples=40, deadline=None)
@given(
    lists=st.dictionaries(st.one_of(IDS, LONG_IDS), ENTRIES, max_size=6),
    segments=st.dictionaries(st.one_of(IDS, LONG_IDS), st.one_of(IDS, LONG_IDS), max_size=6),
)
def test_a_segment_is_no_query_and_a_user_of_it_gets_its_list(
    lists: dict[str, list[Entry]], segments: dict[str, str]
) -> None:
    """A segment may be called like a user: the list of one is not found as that of the other."""
    with tempfile.TemporaryDirectory() as folder:
        of_segments = [ListOf("for_you", "segment", name, entries) for name, entries in lists.items()]
        everyone = [Entry("everyone's", 1.0, "popular")]
        release = _release(Path(folder), [*of_segments, _of("", everyone)], [], list(segments.items()))
        snapshot = Snapshot(release)
        assert list(snapshot.queries("for_you")) == []
        for name, entries in lists.items():
            assert snapshot.entries("for_you", name) is None
            assert [entry["id"] for entry in snapshot.of_segment("for_you", name) or []] == [e.id for e in entries]
        for user, segment in segments.items():
            expected = lists.get(segment) or everyone
            whose, found = snapshot.fallback("for_you", user)
            assert whose == ("segment" if lists.get(segment) else "everyone")
            assert [entry["id"] for entry in found] == [entry.id for entry in expected]


@settings(max_examples=40, deadline=None)
@given(queries=QUERIES, other=st.one_of(IDS, LONG_IDS))
def test_an_id_that_was_not_written_is_not_found(queries: dict[str, list[Entry]], other: str) -> None:
    """No id is mistaken for another, not even one whose key is as long, nor one of another surface or an item."""
    with tempfile.TemporaryDirectory() as folder:
        lists = [_of(query, entries) for query, entries in queries.items() if query != other]
        snapshot = Snapshot(_release(Path(folder), lists, []))
        assert snapshot.entries("for_you", other) is None
        assert all(snapshot.entries("similar_items", query) is None for query in queries)
        assert all(snapshot.of_segment("for_you", query) is None for query in queries)
        assert all(snapshot.told_of("for_you", query) == {} for query in queries)


def test_the_same_lists_give_the_same_bytes_whatever_their_order_and_the_process(tmp_path: Path) -> None:
    """The order of arrival, hash seeds and garbage in fresh memory leave no trace in the file."""
    lists, items = _many_lists(6_000)
    lists.append(ListOf("for_you", "segment", "young", lists[5].entries))
    segments = [(f"u{number}", "young") for number in range(50)]
    served = {**SERVED, "beside": SERVED["for_you"]}
    write_lists(tmp_path / "here.lmdb", lists, items, served, segments)
    random.Random(1).shuffle(lists)
    random.Random(2).shuffle(items)
    random.Random(3).shuffle(segments)
    again = dict(reversed(served.items()))
    (tmp_path / "input.json").write_text(json.dumps([lists, items, again, segments]))
    program = (
        "import json; from pathlib import Path; from serving_export.snapshot import Entry, ListOf, write_lists;"
        "lists, items, served, segments = json.load(open('input.json'));"
        "lists = [ListOf(*of, [Entry(*entry) for entry in entries]) for *of, entries in lists];"
        "write_lists(Path('there.lmdb'), lists, items, served, segments)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "5", "MALLOC_PERTURB_": "165", "PYTHONPATH": str(Path.cwd())}
    subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True, timeout=60)
    assert _sha256(tmp_path / "here.lmdb") == _sha256(tmp_path / "there.lmdb")


def test_the_smallest_change_gives_other_bytes(tmp_path: Path) -> None:
    """The checksum of the file notices the smallest change that a reader would see: of a score, a chance, a shelf's
    length or a user's segment."""
    longer = {"for_you": {**SERVED["for_you"], "length": 51}}
    variants = [
        (Entry("i1", 0.1234, "co"), SERVED, []),
        (Entry("i1", 0.1235, "co"), SERVED, []),
        (Entry("i1", 0.1234, "co", "so"), SERVED, []),
        (Entry("i1", 0.1234, "co", "", 0.5), SERVED, []),
        (Entry("i1", 0.1234, "co"), longer, []),
        (Entry("i1", 0.1234, "co"), SERVED, [("u1", "young")]),
    ]
    for number, (entry, served, segments) in enumerate(variants):
        write_lists(tmp_path / str(number), [_of("u1", [entry])], [], served, segments)
    assert len({_sha256(tmp_path / str(number)) for number in range(len(variants))}) == len(variants)


def test_the_file_holds_no_unused_room_and_nothing_lies_beside_it(tmp_path: Path) -> None:
    """Room that was reserved for writing is cut off, and no lock or spool file is left."""
    lists, items = _many_lists(1_000)
    write_lists(tmp_path / "lists.lmdb", lists, items, SERVED)
    payload = sum(len(json.dumps(of.entries)) for of in lists)
    assert (tmp_path / "lists.lmdb").stat().st_size < 2 * payload
    assert [path.name for path in tmp_path.iterdir()] == ["lists.lmdb"]


def test_scores_keep_four_significant_digits(tmp_path: Path) -> None:
    """Small and large scores are rounded alike, to what a person can compare."""
    scores = [123456.0, 1.23456, 0.000123456, 0.0]
    lists = [_of("u1", [Entry(f"i{score}", score, "co") for score in scores])]
    found = Snapshot(_release(tmp_path, lists, [])).entries("for_you", "u1")
    assert found is not None
    assert [entry["score"] for entry in found] == [123500.0, 1.235, 0.0001235, 0.0]


def test_of_an_item_only_what_an_answer_shows_is_kept(tmp_path: Path) -> None:
    """Nulls and columns that no answer shows stay out of the file."""
    item: dict[str, object] = {"title": "Tea", "category": None, "brand": "Leaf", "price": 0.0, "description": "long"}
    snapshot = Snapshot(_release(tmp_path, [], [("i1", item)]))
    assert snapshot.told_of("for_you", "i1") == {"title": "Tea", "brand": "Leaf", "price": 0.0}


@pytest.mark.parametrize(
    ("lists", "items", "segments", "words"),
    [
        ([_of("u1", []), _of("u1", [])], [], [], "for_you 'u1' was given twice"),
        ([_of("é" * 300, []), _of("é" * 300, [])], [], [], "given twice"),
        ([ListOf("for_you", "segment", "s", [])] * 2, [], [], "@segment/for_you 's' was given twice"),
        ([], [("i1", {}), ("i1", {})], [], "@item 'i1' was given twice"),
        ([], [], [("u1", "young"), ("u1", "old")], "@segment_of 'u1' was given twice"),
        ([_of("u1", [Entry("i1", math.nan, "co")])], [], [], "score of 'i1' must be finite, found nan"),
        ([_of("\ud800", [])], [], [], "cannot be written in UTF-8"),
        ([_of("u1", [Entry("i1", 1.0, "co", "\ud800")])], [], [], "cannot be written in UTF-8"),
        ([], [("i1", {"title": "\ud800"})], [], "cannot be written in UTF-8"),
        ([], [("i1", {"price": math.inf})], [], "item 'i1' cannot be written as JSON"),
        ([], [("i1", {"title": {1}})], [], "item 'i1' cannot be written as JSON"),
        ([_of("u1", [], surface="@item")], [], [], "a surface must have a name"),
        ([_of("u1", [], surface="a\0b")], [], [], "a surface must have a name"),
    ],
)
def test_what_cannot_be_kept_is_refused_and_leaves_no_file(
    tmp_path: Path, lists: Lists, items: Items, segments: Segments, words: str
) -> None:
    """A repeat, a score that is no number, text that is not UTF-8 or a reserved name is told in one sentence."""
    with pytest.raises(InputError, match=words) as caught:
        write_lists(tmp_path / "lists.lmdb", lists, items, SERVED, segments)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("share", "stage"), [(0.3, "File too large"), (0.98, "mdb_txn_commit")])
def test_a_full_disk_is_one_sentence_and_leaves_no_half_file(tmp_path: Path, share: float, stage: str) -> None:
    """Whether the spool finds no room or the file itself, the writer says so and cleans up."""
    lists, items = _many_lists(2_000)
    write_lists(tmp_path / "whole.lmdb", lists, items, SERVED)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int((tmp_path / "whole.lmdb").stat().st_size * share), limits[1]))
    try:
        with pytest.raises(ReleaseError, match=f"could not be written to .*{stage}.*make sure there is room"):
            write_lists(tmp_path / "half.lmdb", lists, items, SERVED)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["whole.lmdb"]


def test_a_file_of_another_layout_is_refused(tmp_path: Path) -> None:
    """A reader does not guess at lists that a newer or older program wrote."""
    store = ReleaseStore(tmp_path)
    with store.build(ds="2026-11-20", model="m", surfaces=("for_you",), built_from={}) as draft:
        environment = lmdb.open(str(draft.path / LISTS_FILE), subdir=False, lock=False, lib_version=0)
        with environment, environment.begin(write=True) as transaction:
            transaction.put(b"@layout", b"99")
        draft.add(LISTS_FILE, rows=0)
    with pytest.raises(ReleaseError, match="have layout b'99', this reader knows b'3'"):
        Snapshot(store.open(draft.release_id))


def test_a_cut_file_is_refused_before_it_is_mapped(tmp_path: Path) -> None:
    """Also where the release was opened without verifying it: a page that is not there would end the process."""
    lists, items = _many_lists(300)
    release = _release(tmp_path, lists, items)
    path = release.file(LISTS_FILE)
    path.write_bytes(path.read_bytes()[:-4_096])
    with pytest.raises(ReleaseError, match=f"release {release.id}: file lists.lmdb has .* bytes and should have"):
        Snapshot(ReleaseStore(tmp_path).open(release.id, verify=False))


def test_a_file_that_is_no_snapshot_is_refused(tmp_path: Path) -> None:
    """A release whose lists are some other file is told in a sentence."""
    store = ReleaseStore(tmp_path)
    with store.build(ds="2026-11-20", model="m", surfaces=("for_you",), built_from={}) as draft:
        (draft.path / LISTS_FILE).write_bytes(b"not lists" * 2_000)
        draft.add(LISTS_FILE, rows=0)
    with pytest.raises(ReleaseError, match=f"the lists of release {draft.release_id} cannot be opened"):
        Snapshot(store.open(draft.release_id))
