"""Building, auditing and flipping releases, one promise at a time."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from daybreak.errors import ReleaseError, StaleAttempt
from daybreak.releases import ReleaseStore
from tests.daybreak.children import outcomes
from tests.daybreak.releases import MODEL, SURFACES, audited, build, published

MONDAY, TUESDAY, WEDNESDAY = "2026-11-16", "2026-11-17", "2026-11-18"


def test_nothing_published_yet_is_said(store: ReleaseStore) -> None:
    """An empty store has no pointer, no release, and tells what to do."""
    assert store.current_id() is None
    assert store.finished() == []
    with pytest.raises(ReleaseError, match=r"nothing is published in .* yet; run a night first"):
        store.current()


def test_a_release_goes_live_only_after_its_audit_passed(store: ReleaseStore) -> None:
    """Neither an unaudited release nor one that failed is ever published; then the pointer is not even there."""
    unaudited = build(store, MONDAY)
    with pytest.raises(ReleaseError, match=f"release {unaudited} was never audited; it cannot be published"):
        store.publish(unaudited, reason="impatience")
    failed = audited(store, TUESDAY, passes=False)
    with pytest.raises(ReleaseError, match=f"release {failed} failed its audit: taste; it cannot be published"):
        store.publish(failed, reason="impatience")
    assert store.pointer() is None
    good = audited(store, WEDNESDAY)
    assert store.publish(good, reason="night").id == store.current_id() == good


def test_the_same_content_is_the_same_release(store: ReleaseStore) -> None:
    """Built twice it is there once, audited as it was; any other byte or day is another release."""
    first = audited(store, MONDAY)
    assert build(store, MONDAY) == first
    assert store.open(first).is_good
    assert len({first, build(store, MONDAY, "other"), build(store, TUESDAY)}) == 3
    assert len(store.finished()) == 3


def test_a_build_that_fails_leaves_nothing(store: ReleaseStore) -> None:
    """An error while the draft is filled, or a file nobody added, makes no release."""

    def build_and_fail(name: str, error: Exception | None) -> None:
        with store.build(ds=MONDAY, model=MODEL, surfaces=SURFACES, built_from={}) as draft:
            (draft.path / name).write_text("half")
            if error:
                raise error

    with pytest.raises(RuntimeError, match="half way"):
        build_and_fail("lists", RuntimeError("half way"))
    with pytest.raises(ReleaseError, match="holds files nobody added: stray"):
        build_and_fail("stray", None)
    assert store.finished() == []
    assert {path.name for path in store.folder.iterdir()} <= {".lock"}


def test_a_crash_of_a_process_with_the_same_number_is_no_hindrance(store: ReleaseStore) -> None:
    """In a container every process has the number of the one before; its draft is swept, not stumbled over."""
    store.folder.mkdir(parents=True)
    for number in range(40):
        (store.folder / f".draft-{os.getpid()}-{number}").mkdir()
    build(store, MONDAY)
    assert not list(store.folder.glob(".draft-*"))


def test_rollback_goes_to_the_release_before_and_holds_it(store: ReleaseStore) -> None:
    """Rollback makes what was live before live again, pinned, so that no night undoes it until it is let go."""
    monday, tuesday = published(store, MONDAY), published(store, TUESDAY)
    assert store.rollback(reason="bad lists").id == monday.id == store.current().id
    wednesday = audited(store, WEDNESDAY)
    with pytest.raises(ReleaseError, match=f"{monday.id} is pinned, so {wednesday} was not published; .* unpin"):
        store.publish(wednesday, reason="night")
    assert store.current_id() == monday.id
    store.pin(reason="fixed", pinned=False)
    assert store.publish(wednesday, reason="night").id == store.current_id()
    assert store.rollback(reason="to Tuesday", to=tuesday.id, pin=False).id == tuesday.id
    pointer = store.pointer()
    assert pointer is not None
    assert not pointer.pinned


def test_rollback_skips_a_release_that_is_damaged_and_says_when_there_is_none(store: ReleaseStore) -> None:
    """The last *good* release is what it goes back to."""
    monday, tuesday, wednesday = (published(store, ds) for ds in (MONDAY, TUESDAY, WEDNESDAY))
    (tuesday.path / "lists").write_text("damaged")
    assert store.rollback(reason="bad").id == monday.id
    with pytest.raises(ReleaseError, match=f"there is no good release before {monday.id} to roll back to"):
        store.rollback(reason="worse")
    assert wednesday.id != store.current_id()


def test_pin_and_unpin_change_nothing_but_the_pin(store: ReleaseStore) -> None:
    """What is live stays live, and the history tells who held it and why."""
    monday = published(store, MONDAY)
    assert store.pin(reason="sale weekend").pinned
    assert store.current_id() == monday.id
    assert not store.pin(reason="sale is over", pinned=False).pinned
    pointer = store.pointer()
    assert pointer is not None
    assert [(flip.action, flip.reason) for flip in pointer.history] == [
        ("publish", f"night {MONDAY}"),
        ("pin", "sale weekend"),
        ("unpin", "sale is over"),
    ]
    assert [flip.sequence for flip in pointer.history] == [1, 2, 3]


@pytest.mark.parametrize("between", ["nothing", "another night", "a rollback"])
def test_an_older_attempt_at_a_day_never_replaces_a_newer_one(store: ReleaseStore, between: str) -> None:
    """The slower of two attempts is refused, also when another release has gone live in between."""
    published(store, MONDAY)
    newer = published(store, TUESDAY, "newer", token=7)
    if between == "another night":
        published(store, WEDNESDAY, token=8)
    if between == "a rollback":
        store.rollback(reason="bad", pin=False)
    live = store.current_id()
    older = audited(store, TUESDAY, "older")
    with pytest.raises(StaleAttempt, match=f"{older} of attempt 6 was not published: attempt 7 already is"):
        store.publish(older, reason="late", token=6)
    assert store.current_id() == live
    assert newer.id != older
    assert store.publish(audited(store, TUESDAY, "newest"), reason="again", token=9).id == store.current_id()


def test_publishing_what_is_live_changes_nothing(store: ReleaseStore) -> None:
    """A night that is run again makes the same release and no new flip."""
    published(store, MONDAY, token=1)
    before = store.pointer()
    published(store, MONDAY, token=2)
    assert store.pointer() == before


def test_a_release_is_found_by_an_unmistakable_beginning(store: ReleaseStore) -> None:
    """A day is enough where it has one release; otherwise the sentence tells what there is."""
    monday = build(store, MONDAY)
    others = sorted([build(store, TUESDAY), build(store, TUESDAY, "other")])
    assert store.open(MONDAY).id == monday
    with pytest.raises(ReleaseError, match=f"called '{TUESDAY}', found 2: {others[0]}, {others[1]}"):
        store.open(TUESDAY)
    for unknown in ("2027", "", "../lists", "."):
        with pytest.raises(ReleaseError):
            store.open(unknown)


def test_publishers_in_threads_all_flip_and_the_history_holds_each(store: ReleaseStore) -> None:
    """Flips happen one after another: none is lost, and the pointer is one of them."""
    days = [f"2026-10-{number:02d}" for number in range(1, 13)]
    with ThreadPoolExecutor(6) as pool:
        releases = list(pool.map(lambda ds: published(store, ds).id, days))
    pointer = store.pointer()
    assert pointer is not None
    assert sorted(flip.release for flip in pointer.history) == sorted(releases)
    assert [flip.sequence for flip in pointer.history] == list(range(1, 13))
    assert pointer.release == pointer.history[-1].release


def test_publishers_in_processes_all_flip(tmp_path: Path) -> None:
    """The same with processes."""
    days = [f"2026-10-{number:02d}" for number in range(1, 9)]
    assert outcomes(_publish, *((tmp_path, ds) for ds in days)) == [0] * len(days)
    store = ReleaseStore(tmp_path)
    assert store.current(verify=True).is_good
    assert len(store.finished()) == len(days)


def test_publishers_that_clear_away_what_another_has_not_audited_yet_harm_nothing(tmp_path: Path) -> None:
    """What another is still proving is not theirs to clear away: all of them go live, and the last stays."""
    days = [f"2026-10-{number:02d}" for number in range(1, 9)]
    assert outcomes(_publish_and_collect, *((tmp_path, ds) for ds in days)) == [0] * len(days)
    assert ReleaseStore(tmp_path).current(verify=True).is_good


def _publish(folder: Path, ds: str) -> None:
    published(ReleaseStore(folder), ds)


def _publish_and_collect(folder: Path, ds: str) -> None:
    store = ReleaseStore(folder)
    try:
        published(store, ds)
        store.collect(keep=8)
    except ReleaseError as error:
        raise SystemExit(error.exit_code) from None
