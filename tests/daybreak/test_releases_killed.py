"""A publisher that is killed, anywhere: what is live stays whole, and the same command finishes the release."""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest

from daybreak.releases import Check, Release, ReleaseStore
from tests.daybreak.children import Kill, kill_after, kill_at, points_of, times_of

POINTS = 64
TIMED = 32
SURFACES = ("for_you",)


def publish_the_night(folder: Path, ds: str = "2026-11-20") -> None:
    """The command that is killed: a release is built, audited, published, and old ones are cleared away."""
    store = ReleaseStore(folder / "releases")
    with store.build(ds=ds, model="model", surfaces=SURFACES, built_from={"ds": ds}) as draft:
        for name in ("lists", "items"):
            (draft.path / name).write_bytes(f"{name} of {ds}".encode() * 200)
            draft.add(name, rows=200)
    store.audit(draft.release_id, [_is_whole])
    store.publish(draft.release_id, reason=f"night {ds}")
    store.collect(keep=2)


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three earlier nights, the last of them live: so that the killed night also clears one away."""
    folder = tmp_path_factory.mktemp("killed") / "scene"
    for ds in ("2026-11-17", "2026-11-18", "2026-11-19"):
        publish_the_night(folder, ds)
    return folder


@pytest.fixture(scope="module")
def undisturbed(scene: Path) -> dict[str, bytes]:
    folder = _copy(scene, "undisturbed")
    publish_the_night(folder)
    return _content(folder)


@pytest.mark.slow
def test_killed_anywhere_in_a_release_leaves_a_good_release_live(scene: Path, undisturbed: dict[str, bytes]) -> None:
    """Killed at points spread over every line that runs and every file that is touched, a good release is live, old or
    new, and the same command ends with the bytes of a run that nobody disturbed, and nothing beside them."""
    points = points_of(publish_the_night, _copy(scene, "counted"), POINTS)
    seen = {_assert_survives_a_kill(scene, undisturbed, partial(kill_at, point)) for point in points}
    assert seen == {"2026-11-19", "2026-11-20"}, "the points must lie on both sides of the flip"


@pytest.mark.slow
def test_killed_by_the_clock_in_a_release_leaves_a_good_release_live(
    scene: Path, undisturbed: dict[str, bytes]
) -> None:
    """The same with a timer, which knows nothing of lines."""
    for seconds in times_of(publish_the_night, _copy(scene, "clocked"), TIMED):
        _assert_survives_a_kill(scene, undisturbed, partial(kill_after, seconds))


def _assert_survives_a_kill(scene: Path, undisturbed: dict[str, bytes], kill: Kill) -> str:
    """Kills the publisher of a fresh copy; the day that was live then."""
    folder = _copy(scene, "killed")
    kill(publish_the_night, folder)
    store = ReleaseStore(folder / "releases")
    live = store.current(verify=True)
    assert live.is_good
    assert len([release for release in store.finished() if release.is_good]) >= 2
    publish_the_night(folder)
    assert _content(folder) == undisturbed
    shutil.rmtree(folder)
    return live.manifest.ds


def _is_whole(release: Release) -> Check:
    return Check("rows", all(entry.rows == 200 for entry in release.manifest.files.values()))


def _content(folder: Path) -> dict[str, bytes]:
    """Every file by its bytes; of the pointer, whose flips carry the time, what is live and what happened."""
    store = ReleaseStore(folder / "releases")
    found = {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    pointer = store.pointer()
    assert pointer is not None
    flips = [f"{flip.sequence} {flip.action} {flip.release}" for flip in pointer.history]
    return {**found, str(store.pointer_path.relative_to(folder)): "\n".join([pointer.release, *flips]).encode()}


def _copy(scene: Path, name: str) -> Path:
    return Path(shutil.copytree(scene, scene.with_name(name)))
