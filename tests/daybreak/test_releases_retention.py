"""For any sequence of nights, failures, rollbacks, pins and clean-ups, what is kept is enough to go back."""

from __future__ import annotations

import multiprocessing
import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from daybreak.errors import ReleaseError
from daybreak.releases import Check, ReleaseStore
from tests.daybreak.releases import added, audited, build, published

DAYS = st.sampled_from([f"2026-11-{number:02d}" for number in range(10, 18)])
CONTENTS = st.sampled_from(["a", "b"])


class Nights(RuleBasedStateMachine):
    """A store beside a model of it: which releases are good, what was published in which order, what is live."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.store = ReleaseStore(self.root)
        self.good: set[str] = set()
        self.unproven: set[str] = set()
        self.published: list[str] = []
        self.abandoned: set[str] = set()
        self.live: str | None = None
        self.pinned = False

    def teardown(self) -> None:
        shutil.rmtree(self.root)

    @rule(ds=DAYS, content=CONTENTS)
    def a_night(self, ds: str, content: str) -> None:
        release = audited(self.store, ds, content)
        self.good.add(release)
        if self.pinned:
            with pytest.raises(ReleaseError, match="is pinned"):
                self.store.publish(release, reason="night")
            return
        self.store.publish(release, reason="night")
        if release != self.live:
            self.published.append(release)
            self.abandoned.discard(release)
        self.live = release

    @rule(ds=DAYS)
    def a_night_that_fails(self, ds: str) -> None:
        bad = audited(self.store, ds, "bad", passes=False)
        with pytest.raises(ReleaseError, match="failed its audit"):
            self.store.publish(bad, reason="night")

    @rule(ds=DAYS)
    def a_night_that_is_not_audited_yet(self, ds: str) -> None:
        self.unproven.add(build(self.store, ds, "unaudited"))

    @rule(pin=st.booleans())
    def roll_back(self, pin: bool) -> None:
        if self.live is None:
            return
        before = self._before_live()
        if not before:
            with pytest.raises(ReleaseError, match="no good release before"):
                self.store.rollback(reason="bad", pin=pin)
            return
        assert self.store.rollback(reason="bad", pin=pin).id == before
        self.abandoned.add(self.live)
        self.live, self.pinned = before, pin

    @rule(pinned=st.booleans())
    def pin(self, pinned: bool) -> None:
        if self.live:
            self.store.pin(reason="test", pinned=pinned)
            self.pinned = pinned

    @rule(keep=st.integers(2, 4))
    def clean_up(self, keep: int) -> None:
        before = self._before_live()
        removed = set(self.store.collect(keep))
        newest = set(sorted(self.good, reverse=True)[:keep])
        kept = {release.id for release in self.store.finished()}
        assert kept == newest | self.unproven | {release for release in (self.live, before) if release}
        assert not removed & kept
        self.good &= kept

    @invariant()
    def what_is_live_is_good_and_whole(self) -> None:
        assert self.store.current_id() == self.live
        if self.live:
            assert self.store.current(verify=True).is_good

    @invariant()
    def every_good_release_is_still_there(self) -> None:
        assert {release.id for release in self.store.finished() if release.is_good} == self.good

    def _before_live(self) -> str | None:
        """The last good release that was published before what is live was, and that no rollback left since."""
        assert self.live is None or self.live in self.published
        last = max((place for place, name in enumerate(self.published) if name == self.live), default=0)
        left = {self.live, *self.abandoned}
        earlier = [name for name in self.published[:last] if name not in left and name in self.good]
        return earlier[-1] if earlier else None


TestAnySequenceOfNights = Nights.TestCase
TestAnySequenceOfNights.settings = settings(max_examples=20, stateful_step_count=15, deadline=None)


def test_clean_up_takes_what_a_dead_process_never_audited(tmp_path: Path) -> None:
    """What its own process is still proving is left alone; what nobody will ever prove goes."""
    store = ReleaseStore(tmp_path)
    kept = [published(store, f"2026-11-0{number}").id for number in (1, 2)]
    writer = multiprocessing.get_context("fork").Process(target=build, args=(store, "2026-11-03"))
    writer.start()
    writer.join()
    mine = build(store, "2026-11-04")
    [removed] = store.collect(keep=2)
    assert removed.startswith("2026-11-03-")
    assert {release.id for release in store.finished()} == {*kept, mine}
    store.audit(mine, [])
    assert not list(store.folder.glob(".unproven-*"))


def test_what_adds_to_a_night_takes_no_nights_place(tmp_path: Path) -> None:
    """Clean-up counts nights: however many hours were added to one of them, only that which is live, and that before
    it, are kept beside; and a bare day goes on meaning its night."""
    store = ReleaseStore(tmp_path)
    nights = [published(store, f"2026-11-0{number}").id for number in (1, 2, 3)]
    hours = [added(store, nights[-1], hour) for hour in range(5)]
    assert store.open("2026-11-03").id == nights[-1]
    store.collect(keep=2)
    assert {release.id for release in store.finished()} == {*nights[1:], *hours[-2:]}
    assert store.rollback(reason="odd", to="2026-11-03").id == nights[-1]


def test_a_rollback_never_goes_to_what_a_rollback_left(tmp_path: Path) -> None:
    """Unless it was made live again."""
    store = ReleaseStore(tmp_path)
    first, second, third = [published(store, f"2026-11-0{number}").id for number in (1, 2, 3)]
    assert store.rollback(reason="third is bad", pin=False).id == second
    published(store, "2026-11-04")
    assert store.rollback(reason="fourth too", pin=False).id == second
    assert store.rollback(reason="second too", pin=False).id == first
    assert store.rollback(reason="third was well after all", to=third, pin=False).id == third
    published(store, "2026-11-05")
    assert store.rollback(reason="fifth is bad").id == third


def test_a_verdict_is_not_taken_back_from_what_is_live(tmp_path: Path) -> None:
    """A night that is audited again, and fails by the clock say, says so; what is live was proven, and can be gone back
    to. What never was live is judged anew."""
    store = ReleaseStore(tmp_path)
    live = published(store, "2026-11-01").id
    beside = audited(store, "2026-11-02")
    for release in (live, beside):
        told = store.audit(release, [lambda release: Check("clock", False, "a busy machine")])
        assert [check.passed for check in told] == [True, False]
    assert store.open(live).is_good
    assert not store.open(beside).is_good


def test_clean_up_refuses_to_keep_fewer_than_two(tmp_path: Path) -> None:
    """One generation is no way back."""
    with pytest.raises(ReleaseError, match="must keep at least 2 releases, not 1"):
        ReleaseStore(tmp_path).collect(keep=1)
