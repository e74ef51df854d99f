"""A release that is not what it was when it was built is refused, in a sentence, wherever it is opened."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from daybreak.errors import ReleaseError
from daybreak.releases import Release, ReleaseStore
from tests.daybreak.releases import published


def change_a_byte(folder: Path) -> None:
    content = bytearray((folder / "lists").read_bytes())
    content[7] ^= 1
    (folder / "lists").write_bytes(content)


def truncate(folder: Path) -> None:
    (folder / "lists").write_bytes((folder / "lists").read_bytes()[:-1])


def remove_a_file(folder: Path) -> None:
    (folder / "items").unlink()


def remove_the_manifest(folder: Path) -> None:
    (folder / "manifest.json").unlink()


def truncate_the_manifest(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_bytes(path.read_bytes()[:100])


def claim_other_rows(folder: Path) -> None:
    _edit(folder / "manifest.json", lambda document: document["files"]["lists"].update(rows=51))


def claim_another_model(folder: Path) -> None:
    _edit(folder / "manifest.json", lambda document: document.update(model="better"))


def claim_a_later_format(folder: Path) -> None:
    _edit(folder / "manifest.json", lambda document: document.update(format=99))


def _edit(path: Path, change: Callable[[dict], object]) -> None:
    document = json.loads(path.read_bytes())
    change(document)
    path.write_text(json.dumps(document))


TAMPERINGS: dict[Callable[[Path], None], str] = {
    change_a_byte: r"release \S+: the checksum of file lists does not match its manifest",
    truncate: r"release \S+: file lists has 249 bytes and should have 250",
    remove_a_file: r"release \S+: file items is missing; roll back or build it again",
    remove_the_manifest: r"release \S+ has no manifest.json: it was never finished",
    truncate_the_manifest: r"manifest.json cannot be read: .*; build the release again",
    claim_other_rows: r"manifest.json was changed after it was written; build the release again",
    claim_another_model: r"manifest.json was changed after it was written; build the release again",
    claim_a_later_format: r"its format is 99, this program reads 1",
}


@pytest.fixture
def before(store: ReleaseStore) -> Release:
    return published(store, "2026-11-19")


@pytest.fixture
def live(store: ReleaseStore, before: Release) -> Release:
    return published(store, "2026-11-20")


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda tamper: tamper.__name__)
def test_a_tampered_release_is_refused_wherever_it_is_opened(
    store: ReleaseStore, before: Release, live: Release, tamper: Callable[[Path], None]
) -> None:
    """Opening, publishing, auditing and serving it all say what is wrong, in one line; rolling back still works, and
    so does building it again."""
    tamper(live.path)
    for use in (
        lambda: store.open(live.id),
        lambda: store.current(),
        lambda: store.publish(live.id, reason="again"),
        lambda: store.audit(live.id, []),
    ):
        with pytest.raises(ReleaseError, match=TAMPERINGS[tamper]) as caught:
            use()
        assert "\n" not in str(caught.value)
    assert store.rollback(reason="damaged", pin=False).id == before.id
    assert published(store, "2026-11-20").id == live.id
    assert store.current(verify=True).is_good


def test_an_audit_of_other_content_does_not_count(store: ReleaseStore, before: Release, live: Release) -> None:
    """An audit copied from another release is not its audit."""
    (live.path / "audit.json").write_bytes((before.path / "audit.json").read_bytes())
    assert not store.open(live.id).is_good


def test_an_unreadable_audit_is_a_sentence(store: ReleaseStore, live: Release) -> None:
    """Half an audit is no audit, and no traceback."""
    (live.path / "audit.json").write_text('{"content_digest"')
    with pytest.raises(ReleaseError, match=f"the audit of release {live.id} cannot be read .* again"):
        store.publish(live.id, reason="again")


def test_an_unreadable_pointer_is_a_sentence(store: ReleaseStore, live: Release) -> None:
    """A pointer that somebody wrote by hand is no crash, and the way out that the sentence names is one."""
    store.pointer_path.write_text("2026-11-20\n")
    with pytest.raises(
        ReleaseError, match=r"the pointer .* cannot be read.* move it away, then `daybreak releases publish"
    ):
        store.current()
    store.pointer_path.unlink()
    store.publish(live.id, reason="the pointer was torn")
    current = store.current()
    assert current is not None
    assert current.id == live.id


def test_clean_up_works_beside_a_damaged_release(store: ReleaseStore, before: Release, live: Release) -> None:
    """One damaged manifest does not stop the nights to come, and does not count as a good release."""
    damaged = published(store, "2026-11-21")
    newest = published(store, "2026-11-22")
    truncate_the_manifest(damaged.path)
    store.collect(keep=2)
    assert store.current_id() == newest.id
    assert [release.id for release in store.finished()] == [newest.id, live.id]


def test_a_file_that_the_manifest_does_not_list_is_not_handed_out(live: Release) -> None:
    """What is not in the manifest is not part of the release."""
    with pytest.raises(ReleaseError, match=r"holds no file other; it holds: items, lists"):
        live.file("other")
    assert live.file("lists").stat().st_size == 250
