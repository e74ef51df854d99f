"""The live index under load: releases come, go and are damaged, and whoever asks gets whole answers of one of them."""

from __future__ import annotations

import json
import shutil
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from daybreak.errors import ReleaseError
from daybreak.releases import Pointer, ReleaseStore
from daybreak.settings import Settings
from indexing.contents import ALIKE_FILE, CONTENTS_FILE, ITEMS_FILE
from indexing.live import LiveIndex
from indexing.opened import Found, OpenIndex
from indexing.spaces import Space
from tests.indexing.test_bad_vectors import rewritten
from tests.indexing.vectors import home_in, index_night, store_of, world
from tests.training.homes import copy_of

NIGHTS = (1, 2, 3)
FLIPS, READERS, SOON = 100, 4, 5.0
USERS = [f"u{number:04d}" for number in range(10, 26)]
BESIDE = [f"i{number:04d}" for number in range(100, 108)]
LENGTH = 20


@pytest.fixture(scope="module")
def standing(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Three nights whose vectors differ, of one shard, of two, and searched exactly; the last one is live. Who changes
    it changes a copy."""
    home = home_in(tmp_path_factory.mktemp("standing"), index_recall=0.8)
    kinds: list[dict[str, Any]] = [
        {"index": "ivf_flat:cells=8"},
        {"index": "hnsw:links=16,breadth=60", "index_shards": 2},
        {"index": "exact"},
    ]
    for night, choices in zip(NIGHTS, kinds, strict=True):
        limits = {"questions": 32, "recall_k": 20, "bytes_factor": 50}
        index_night(home.elsewhere(home.home, **choices), night, world(night), limits=limits)
    return home


@pytest.fixture
def home(standing: Settings, tmp_path: Path) -> Settings:
    return copy_of(standing, tmp_path)


def answers_of(index: OpenIndex) -> dict[str, Found]:
    """What the index answers to every question of these tests."""
    asked = [(Space.FOR_USERS, name) for name in USERS] + [(Space.FOR_ITEMS, name) for name in BESIDE]
    return {name: index.ask(space, name, LENGTH) for space, name in asked}


def go_live(store: ReleaseStore, release_id: str) -> None:
    """Flips to a release whatever it is, as a program would that does not look at it."""
    pointer = store.pointer()
    assert pointer is not None
    pointer.flipped(release_id, "publish", "for a test").write(store.pointer_path)


def test_a_hundred_flips_under_load_lose_no_answer(home: Settings) -> None:
    """Every question that some threads ask without pause is answered, wholly by the release that the answer names, and
    in the order of flips that each thread sees nobody goes on with an old one for long."""
    store = store_of(home)
    releases = sorted(store.ids())
    told = {name: answers_of(OpenIndex.of(store.open(name))) for name in releases}
    assert all(told[releases[0]][user].scores != told[releases[1]][user].scores for user in USERS)
    live, done = LiveIndex(store_of(home)), threading.Event()

    def ask(number: int) -> set[str]:
        drawn, seen = np.random.default_rng(number), set()
        while not done.is_set():
            index = live.current()
            name = str(drawn.choice(USERS + BESIDE))
            found = index.ask(Space.FOR_USERS if name in USERS else Space.FOR_ITEMS, name, LENGTH)
            assert found == told[found.release][name]
            assert found.release == index.name
            seen.add(found.release)
        return seen

    late = []
    with ThreadPoolExecutor(READERS) as pool:
        readers = [pool.submit(ask, number) for number in range(READERS)]
        try:
            for flip in range(FLIPS):
                to = releases[flip % len(releases)]
                store.rollback(reason="to and fro", to=to, pin=False)
                if flip % 10 == 0 and not followed(live, to):
                    late.append(flip)
        finally:
            done.set()
        seen = [reader.result() for reader in readers]
    assert (late, live.refused) == ([], None)
    assert set().union(*seen) == set(releases)


def followed(live: LiveIndex, release_id: str) -> bool:
    """Whether questions are soon answered by this release."""
    until = time.monotonic() + SOON
    while time.monotonic() < until:
        if live.current().name == release_id:
            return True
        time.sleep(0.001)
    return False


def test_the_next_question_is_answered_by_what_is_live(home: Settings) -> None:
    """Where nobody else asks, a flip is noticed at once: published, rolled back, and published again."""
    store, live = store_of(home), LiveIndex(store_of(home))
    for release_id in [*sorted(store.ids()), *store.ids()] * 3:
        store.rollback(reason="to and fro", to=release_id, pin=False)
        assert live.current().ask(Space.FOR_USERS, USERS[0], LENGTH).release == release_id


def test_others_go_on_while_one_opens(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A release that takes long to open keeps nobody waiting, and is opened once."""
    store, live = store_of(home), LiveIndex(store_of(home))
    older, newest = min(store.ids()), max(store.ids())
    opening, go_on, opened = threading.Event(), threading.Event(), []
    really = OpenIndex.of

    def slowly(release: Any) -> OpenIndex:
        opened.append(release.id)
        opening.set()
        assert go_on.wait(SOON)
        return really(release)

    monkeypatch.setattr(OpenIndex, "of", slowly)
    store.rollback(reason="back", to=older, pin=False)
    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(live.current)
        assert opening.wait(SOON)
        assert [live.current().name for _ in range(50)] == [newest] * 50
        go_on.set()
        assert first.result().name == older
    assert (live.current().name, opened) == (older, [older])


# What is damaged


def _flip_a_bit(folder: Path) -> None:
    content = bytearray((folder / ITEMS_FILE).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / ITEMS_FILE).write_bytes(content)


HARMS: dict[str, tuple[Callable[[Path], object], str]] = {
    "a bit": (_flip_a_bit, f"checksum of file {ITEMS_FILE}"),
    "a file": (lambda folder: (folder / ALIKE_FILE).unlink(), f"{ALIKE_FILE} is missing"),
    "its manifest": (lambda folder: (folder / "manifest.json").write_text("{"), "cannot be read"),
    "all of it": (shutil.rmtree, "one release should be called"),
}


@pytest.mark.parametrize("what", HARMS)
def test_a_release_that_is_damaged_is_refused(home: Settings, what: str) -> None:
    """Flipped to all the same, it is never asked: what was live goes on answering, `refused` says why, and the next
    good release is followed again."""
    harm, said = HARMS[what]
    store, live = store_of(home), LiveIndex(store_of(home))
    first, second, third = sorted(store.ids())
    answers = answers_of(live.current())
    harm(store.folder / second)
    go_live(store, second)
    assert answers_of(live.current()) == answers
    assert (live.current().name, said in str(live.refused)) == (third, True)
    go_live(store, first)
    assert (live.current().name, live.refused) == (first, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"digest": "b2" * 32},
        {"specifications": {"for_users": "ivf_of_tomorrow:cells=3", "for_items": "exact"}},
        {"specifications": {}},
        {"efforts": {}},
        {"known": [{"space": "for_items", "id": "i0007", "found": ["i0001"]}]},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_release_whose_parts_do_not_belong_together_is_refused(home: Settings, changes: dict[str, Any]) -> None:
    """Every checksum is right, but the page is of another model or of a program that is newer: it is not asked."""
    store = store_of(home)
    _, second, third = sorted(store.ids())
    page = {**json.loads(store.open(second).file(CONTENTS_FILE).read_bytes()), **changes}
    wrong = rewritten(home, second, {CONTENTS_FILE: json.dumps(page).encode()})
    live = LiveIndex(store_of(home))
    go_live(store, wrong)
    assert live.current().name == third
    assert live.refused is not None
    go_live(store, second)
    assert (live.current().name, live.refused) == (second, None)


@pytest.mark.parametrize("short", [OSError(24, "Too many open files"), MemoryError()], ids=["files", "memory"])
def test_a_machine_that_had_no_room_tries_again(
    home: Settings, monkeypatch: pytest.MonkeyPatch, short: Exception
) -> None:
    """Questions go on being answered by what was live, not one fails, and after a moment the flip is followed."""
    store, live = store_of(home), LiveIndex(store_of(home))
    older, newest, really, asked = min(store.ids()), max(store.ids()), OpenIndex.of, []

    def once(release: Any) -> OpenIndex:
        asked.append(release.id)
        if len(asked) == 1:
            raise short
        return really(release)

    monkeypatch.setattr(OpenIndex, "of", once)
    monkeypatch.setattr("indexing.live.PAUSE_S", 0.05)
    store.rollback(reason="back", to=older, pin=False)
    assert live.current().ask(Space.FOR_USERS, USERS[0], LENGTH).release == newest
    assert type(short).__name__ in str(live.refused)
    assert followed(live, older)
    assert (asked, live.refused) == ([older, older], None)


def _unknown(pointer: Pointer) -> bytes:
    return json.dumps({**asdict(pointer), "release": "2026-11-30-0123456789ab"}).encode()


POINTERS: dict[str, Callable[[Pointer], bytes]] = {
    "empty": lambda _: b"",
    "cut": lambda pointer: json.dumps(asdict(pointer)).encode()[:-30],
    "no text": lambda _: b"\xff\x00\xfe",
    "a list": lambda _: b"[1, 2]",
    "an unknown release": _unknown,
    "a number for a release": lambda pointer: json.dumps({**asdict(pointer), "release": 5}).encode(),
    "a folder for a release": lambda pointer: json.dumps({**asdict(pointer), "release": ".."}).encode(),
}


@pytest.mark.parametrize("what", POINTERS)
def test_a_pointer_that_is_damaged_moves_nobody(home: Settings, what: str) -> None:
    """Questions go on being answered by what was live, `refused` says why, and a sound pointer is followed again."""
    store, live = store_of(home), LiveIndex(store_of(home))
    pointer, (first, _, third) = store.pointer(), sorted(store.ids())
    assert pointer is not None
    store.pointer_path.write_bytes(POINTERS[what](pointer))
    assert live.current().ask(Space.FOR_USERS, USERS[0], LENGTH).release == third
    assert live.refused is not None
    pointer.flipped(first, "publish", "mended").write(store.pointer_path)
    assert (live.current().name, live.refused) == (first, None)


def test_a_pointer_that_is_gone_moves_nobody(home: Settings) -> None:
    """Questions go on being answered; whoever begins anew is told that nothing is live."""
    store, live = store_of(home), LiveIndex(store_of(home))
    store.pointer_path.unlink()
    assert live.current().name == max(store.ids())
    with pytest.raises(ReleaseError, match="nothing is published"):
        LiveIndex(store_of(home))


# What is cleared away


@pytest.mark.parametrize("night", NIGHTS)
def test_an_index_answers_after_its_release_was_cleared_away(home: Settings, night: int) -> None:
    """Its files are mapped: who still holds it asks on, for all of it, whatever the kind of index."""
    store = store_of(home)
    release = store.open(sorted(store.ids())[night - 1])
    told = answers_of(OpenIndex.of(release))
    held = OpenIndex.of(release)
    shutil.rmtree(release.path)
    assert answers_of(held) == told
    assert len({each for user in USERS for each in held.ask(Space.FOR_USERS, user, 400).ids}) == len(held)


def test_nights_that_clear_away_what_is_followed_are_followed(home: Settings) -> None:
    """Clean-up takes the release that is open; its index answers until the next question moves on."""
    store, live = store_of(home), LiveIndex(store_of(home))
    held, told = live.current(), answers_of(live.current())
    for night in (4, 5, 6):
        assert index_night(home.elsewhere(home.home, index="exact", keep_releases=2), night, world(night))["published"]
    assert held.name not in store.ids()
    assert answers_of(held) == told
    assert live.current().name == store.current_id()
