"""The reader serves what the pointer names, and keeps what it has when that cannot be served."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from daybreak.releases import Release, ReleaseStore
from serving_export.reader import watch as watching
from serving_export.reader.layout import LISTS_FILE
from serving_export.reader.state import State
from serving_export.reader.watch import Watch

Publish = Callable[[str], Release]


def _served(state: State) -> str | None:
    return state.snapshot.id if state.snapshot else None


def _spoil(release: Release) -> None:
    """Changes one byte in the middle of the lists, keeping their size."""
    path = release.path / LISTS_FILE
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)


def test_a_published_release_is_taken_over_at_the_next_look(store: ReleaseStore, publish: Publish) -> None:
    """Before the first release nothing is served and nothing is wrong; afterwards each flip is followed."""
    watch = Watch(store)
    watch.check()
    assert watch.state == State()
    for swaps, tag in enumerate("ab", start=1):
        release = publish(tag)
        watch.check()
        assert (_served(watch.state), watch.state.swaps, watch.state.refusals) == (release.id, swaps, 0)


def test_looking_again_changes_nothing(store: ReleaseStore, publish: Publish) -> None:
    """While the pointer stands still the state is the very same object."""
    publish("a")
    watch = Watch(store)
    watch.check()
    before = watch.state
    watch.check()
    assert watch.state is before


def test_pinning_what_is_served_is_no_swap(store: ReleaseStore, publish: Publish) -> None:
    """A pointer that changes but names the same release swaps nothing."""
    publish("a")
    watch = Watch(store)
    watch.check()
    store.pin(reason="test")
    watch.check()
    assert (watch.state.swaps, watch.state.is_behind) == (1, False)


def test_a_roll_back_uses_the_snapshot_that_is_still_open(store: ReleaseStore, publish: Publish) -> None:
    """LMDB does not map a file twice, so going back reuses what is open and reads nothing."""
    watch = Watch(store)
    publish("a")
    watch.check()
    first = watch.state.snapshot
    publish("b")
    watch.check()
    store.rollback(reason="test")
    watch.check()
    assert watch.state.snapshot is first
    assert (watch.state.swaps, watch.state.refusals) == (3, 0)


def test_a_request_may_hold_a_release_of_long_ago_that_comes_back(store: ReleaseStore, publish: Publish) -> None:
    """Three flips later, a snapshot that a request still holds is the one served again."""
    watch = Watch(store)
    old = publish("a")
    watch.check()
    held = watch.state.snapshot
    for tag in "bcd":
        publish(tag)
        watch.check()
    store.rollback(reason="test", to=old.id)
    watch.check()
    assert watch.state.snapshot is held


def test_releases_of_long_ago_are_let_go(store: ReleaseStore, publish: Publish) -> None:
    """Only what is served and what was served before stay mapped; the disk and memory of older ones are freed."""
    watch = Watch(store)
    for tag in "abcd":
        publish(tag)
        watch.check()
    gc.collect()
    mapped = {line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if LISTS_FILE in line}
    assert len([path for path in mapped if path.startswith(str(store.folder))]) == 2


def test_a_corrupt_release_is_refused_and_the_old_one_stays(
    store: ReleaseStore, build: Publish, publish: Publish, caplog: pytest.LogCaptureFixture
) -> None:
    """One wrong byte is enough: it is logged in one line and counted, and the state says what is served instead."""
    watch = Watch(store)
    old = publish("a")
    watch.check()
    spoiled = publish("b")
    _spoil(spoiled)
    with caplog.at_level(logging.ERROR):
        watch.check()
        watch.check()
    assert (_served(watch.state), watch.state.refusals, watch.state.is_behind) == (old.id, 1, True)
    assert watch.state.last_refusal is not None
    assert watch.state.last_refusal.release == spoiled.id
    assert "checksum" in watch.state.last_refusal.reason
    assert len([record for record in caplog.records if record.levelno >= logging.ERROR]) == 1
    assert f"still serving {old.id}" in caplog.text
    newer = publish("c")
    watch.check()
    assert (_served(watch.state), watch.state.is_behind, watch.state.refusals) == (newer.id, False, 1)


def test_a_corrupt_first_release_leaves_nothing_served(store: ReleaseStore, publish: Publish) -> None:
    """Without anything older to serve, the reader serves nothing and knows why."""
    _spoil(publish("a"))
    watch = Watch(store)
    watch.check()
    assert (_served(watch.state), watch.state.refusals) == (None, 1)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"release": "nope"}', b"\xff\xfe"])
def test_a_broken_pointer_is_refused(store: ReleaseStore, publish: Publish, content: bytes) -> None:
    """Whatever stands in the pointer, the reader keeps what it serves."""
    old = publish("a")
    watch = Watch(store)
    watch.check()
    store.pointer_path.unlink()
    store.pointer_path.write_bytes(content)
    watch.check()
    assert (_served(watch.state), watch.state.refusals, watch.state.is_behind) == (old.id, 1, True)


def test_a_pointer_that_vanishes_is_refused_once(store: ReleaseStore, publish: Publish) -> None:
    """Losing the pointer does not take the lists away."""
    old = publish("a")
    watch = Watch(store)
    watch.check()
    store.pointer_path.unlink()
    watch.check()
    watch.check()
    assert (_served(watch.state), watch.state.refusals) == (old.id, 1)
    assert watch.state.last_refusal is not None
    assert "is gone" in watch.state.last_refusal.reason


def test_what_was_refused_is_tried_again_after_a_while(
    store: ReleaseStore, publish: Publish, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault that passes, such as a file that is mended in place, needs no new flip."""
    watch = Watch(store)
    release = publish("a")
    whole = (release.path / LISTS_FILE).read_bytes()
    _spoil(release)
    watch.check()
    (release.path / LISTS_FILE).write_bytes(whole)
    watch.check()
    assert _served(watch.state) is None
    monkeypatch.setattr(watching, "RETRY_SECONDS", 0.0)
    watch.check()
    assert (_served(watch.state), watch.state.is_behind) == (release.id, False)
