"""Releases whose lists tell which release they are from, and a reader that really listens."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import uvicorn

from daybreak.releases import Release, ReleaseStore
from serving_export.reader import server
from serving_export.reader.layout import LISTS_FILE
from serving_export.reader.watch import Watch
from serving_export.snapshot import Entry, ListOf, write_lists

SURFACES = {
    "for_you": {"length": 40, "without_own": False, "of_items": True},
    "similar_items": {"length": 40, "without_own": True, "of_items": True},
}
Publish = Callable[[str], Release]


@dataclass(frozen=True)
class RunningReader:
    """A reader on a free port."""

    url: str
    watch: Watch
    uvicorn: uvicorn.Server

    def wait_until_serving(self, release_id: str, seconds: float = 5.0) -> None:
        deadline = time.monotonic() + seconds
        while (snapshot := self.watch.state.snapshot) is None or snapshot.id != release_id:
            assert time.monotonic() < deadline, f"{release_id} was not picked up within {seconds} s"
            time.sleep(0.005)


@pytest.fixture
def store(tmp_path: Path) -> ReleaseStore:
    return ReleaseStore(tmp_path / "releases")


@pytest.fixture
def build(store: ReleaseStore) -> Publish:
    """Builds and audits a release in which every id and title begins with `tag`."""

    def build_release(tag: str) -> Release:
        ids = [f"{tag}-i{number}" for number in range(30)]
        own = [Entry(item_id, 1 / (place + 1), "cooccurrence") for place, item_id in enumerate(ids)]
        popular = [Entry(item_id, 0.5, "popular") for item_id in reversed(ids)]
        of_segment = [Entry(item_id, 0.7, "segment", "popular with people like you") for item_id in ids]
        lists = [
            ListOf("for_you", "query", "u1", own),
            ListOf("for_you", "segment", "young", of_segment),
            ListOf("for_you", "everyone", "", popular),
            ListOf("similar_items", "everyone", "", popular),
        ]
        items = [(item_id, {"title": f"{tag} title of {item_id}", "category": "books"}) for item_id in ids]
        with store.build(ds="2026-11-20", model=f"model-{tag}", surfaces=tuple(SURFACES), built_from={}) as draft:
            written = write_lists(draft.path / LISTS_FILE, lists, items, SURFACES, [("young-1", "young")])
            draft.add(LISTS_FILE, rows=written)
        store.audit(draft.release_id, checks=[])
        return store.open(draft.release_id)

    return build_release


@pytest.fixture
def publish(store: ReleaseStore, build: Publish) -> Publish:
    """Builds a release and makes it live."""
    return lambda tag: store.publish(build(tag).id, reason="test")


@pytest.fixture
def reader(store: ReleaseStore) -> Iterator[RunningReader]:
    watch = Watch(store, poll_seconds=0.02)
    listener = server.listen("127.0.0.1", 0)
    running = server.server_of(watch)
    thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]})
    watch.start()
    thread.start()
    yield RunningReader(server.url_of(listener), watch, running)
    running.should_exit = True
    thread.join(timeout=10)
    watch.stop()
    assert not thread.is_alive()
