"""Readers beside publishers: whatever the moment, what they open is whole, verified and audited."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from daybreak.releases import ReleaseStore
from tests.daybreak.releases import audited, published

FLIPS = 50


def test_readers_open_a_verified_release_throughout_fifty_flips(tmp_path: Path) -> None:
    """While the pointer flips to and fro, every open finds a whole release with the right content."""
    store = ReleaseStore(tmp_path)
    contents = {published(store, ds, ds).id: ds for ds in ("2026-11-19", "2026-11-20")}
    done = threading.Event()

    def read() -> list[str]:
        seen = []
        while not done.is_set():
            release = ReleaseStore(tmp_path).current(verify=True)
            assert release.is_good
            assert release.file("lists").read_text() == contents[release.id] * 50
            seen.append(release.id)
        return seen

    with ThreadPoolExecutor(3) as pool:
        readers = [pool.submit(read) for _ in range(3)]
        for flip in range(FLIPS):
            store.rollback(reason="to and fro", to=sorted(contents)[flip % 2], pin=False)
        done.set()
        assert {name for reader in readers for name in reader.result()} == set(contents)


def test_a_release_that_is_cleared_away_beside_its_publisher_never_goes_live(tmp_path: Path) -> None:
    """Publishing and clean-up of an old day at one moment: either it is live and there, or refused."""
    store = ReleaseStore(tmp_path)
    for ds in ("2026-11-18", "2026-11-19", "2026-11-20"):
        published(store, ds)
    for number in range(20):
        old = audited(store, "2026-11-01", str(number))
        with ThreadPoolExecutor(2) as pool:
            flip = pool.submit(store.publish, old, reason="backfill")
            pool.submit(store.collect, 2).result()
        assert flip.exception() is None or store.current_id() != old
        assert store.current(verify=True).is_good
