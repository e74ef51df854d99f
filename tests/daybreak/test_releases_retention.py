"""For any sequence of nights, failures, rollbacks, pins and clean-ups, what is kept is enough to go back."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from daybreak.errors import ReleaseError
from daybreak.releases import ReleaseStore
from tests.daybreak.releases import audited, build

DAYS = st.sampled_from([f"2026-11-{number:02d}" for number in range(10, 18)])
CONTENTS = st.sampled_from(["a", "b"])


class Nights(RuleBasedStateMachine):
    """A store beside a model of it: which releases are good, what was published in which order, what is live."""

    def __init__(self) -> None:
        super().__init__()
        self.root = Path(tempfile.mkdtemp())
        self.store = ReleaseStore(self.root)
        self.good: set[str] = set()
        self.published: list[str] = []
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
        self.live = release

    @rule(ds=DAYS)
    def a_night_that_fails(self, ds: str) -> None:
        bad = audited(self.store, ds, "bad", passes=False)
        with pytest.raises(ReleaseError, match="failed its audit"):
            self.store.publish(bad, reason="night")

    @rule(ds=DAYS)
    def a_night_that_dies_before_its_audit(self, ds: str) -> None:
        build(self.store, ds, "unaudited")

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
        assert kept == newest | {release for release in (self.live, before) if release}
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
        """The last good release that was published before what is live was."""
        assert self.live is None or self.live in self.published
        last = max((place for place, name in enumerate(self.published) if name == self.live), default=0)
        earlier = [name for name in self.published[:last] if name != self.live and name in self.good]
        return earlier[-1] if earlier else None


TestAnySequenceOfNights = Nights.TestCase
TestAnySequenceOfNights.settings = settings(max_examples=20, stateful_step_count=15, deadline=None)


def test_clean_up_refuses_to_keep_fewer_than_two(tmp_path: Path) -> None:
    """One generation is no way back."""
    with pytest.raises(ReleaseError, match="must keep at least 2 releases, not 1"):
        ReleaseStore(tmp_path).collect(keep=1)
