"""A night's indexing that is killed, anywhere: what is live stays whole, and the same command finishes the night."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from daybreak.settings import Settings
from indexing.opened import Found, OpenIndex
from indexing.spaces import Space
from tests.indexing.killing import Server, indexed, running_server
from tests.indexing.vectors import builds, home_in, live, put_night, shards, store_of, world
from tests.tiny import day

NIGHT_POINTS, PUBLISH_POINTS, LAST_POINTS = 8, 5, 4
NIGHT = 3
LIMITS = {"questions": 6, "recall_k": 10}


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with running_server() as server:
        yield server


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Two nights that are live and good, and the vectors of a third: whose release clears the first away."""
    home = home_in(tmp_path_factory.mktemp("killed") / "scene", items=150, users=40, index_recall=0.5, keep_releases=2)
    steps = {"indexing.publish": {"limits": LIMITS}}
    settings = home.elsewhere(home.home, index="ivf_flat:cells=4", index_shards=2, steps=steps)
    for night in (1, 2, NIGHT):
        put_night(settings, night, world(night, items=150, users=40, twins=False))
        if night < NIGHT:
            indexed(settings, day(night), shards=True)
    return settings


@pytest.fixture(scope="module")
def undisturbed(scene: Settings) -> Settings:
    settings = copied(scene, "undisturbed")
    indexed(settings, day(NIGHT), shards=True)
    return settings


@pytest.fixture(scope="module")
def sharded(scene: Settings) -> Settings:
    """The same scene with the shards of the third night built."""
    settings = copied(scene, "sharded")
    shards(settings, NIGHT)
    return settings


@pytest.mark.slow
def test_killed_anywhere_in_a_night_leaves_a_good_index_live(
    server: Server, scene: Settings, undisturbed: Settings
) -> None:
    """Killed at points spread over the lines and files of shards and release, an index is live that opens whole and
    answers as its night does, and the same commands end with the releases of a run that nobody disturbed."""
    seen = {
        survived(server, scene, undisturbed, moment, with_shards=True)
        for moment in spread(1, server.moments(copied(scene, "counted"), day(NIGHT), shards=True), NIGHT_POINTS)
    }
    assert seen <= {day(2), day(NIGHT)}


@pytest.mark.slow
def test_killed_anywhere_in_publishing_the_same_command_ends_it(
    server: Server, sharded: Settings, undisturbed: Settings
) -> None:
    """Shards are built once: whichever moment of publishing the kill meets, before or after the flip, publishing again
    needs nothing else."""
    moments = server.moments(copied(sharded, "counted-publish"), day(NIGHT), shards=False)
    points = spread(1, moments, PUBLISH_POINTS) | spread(moments - 400, moments - 10, LAST_POINTS)
    seen = {survived(server, sharded, undisturbed, moment, with_shards=False) for moment in sorted(points)}
    assert seen == {day(2), day(NIGHT)}, "the points must lie on both sides of the flip"


def survived(server: Server, scene: Settings, undisturbed: Settings, moment: int, *, with_shards: bool) -> str:
    """Kills the night on a fresh copy at that moment, and runs it again; the day that was live in between."""
    settings = copied(scene, "killed")
    server.kill_at(moment, settings, day(NIGHT), shards=with_shards)
    index = live(settings)
    release = store_of(settings).open(index.name)
    assert release.is_good
    assert answers(index) == answers(OpenIndex.of(store_of(undisturbed).open(index.name)))
    indexed(settings, day(NIGHT), shards=with_shards)
    assert outcome(settings) == outcome(undisturbed), f"killed at moment {moment}"
    shutil.rmtree(settings.root)
    return release.manifest.ds


def outcome(settings: Settings) -> dict[str, object]:
    """What is there at the end: releases, which of them is live, what the night noted, and nothing half-done."""
    store = store_of(settings)
    hidden = [path.name for path in store.folder.glob(".*") if path.name != ".lock"]
    good = {name: store.open(name, verify=True).is_good for name in store.ids()}
    return {
        "good": good,
        "live": store.current_id(),
        "builds": builds(settings, NIGHT),
        "hidden": hidden,
        "half-done": [path.name for path in settings.root.glob("indexing/**/*.tmp")],
    }


def answers(index: OpenIndex) -> list[Found]:
    asked = [(Space.FOR_USERS, f"u{number:04d}") for number in range(10, 20)]
    asked += [(Space.FOR_ITEMS, f"i{number:04d}") for number in range(100, 110)]
    return [index.ask(space, name, 20) for space, name in asked]


def spread(first: int, last: int, number: int) -> set[int]:
    """So many points from the first moment to the last."""
    points = {first + step * (last - first) // (number - 1) for step in range(number)}
    assert len(points) == number
    return points


def copied(scene: Settings, name: str) -> Settings:
    place = Path(shutil.copytree(scene.root, scene.root.with_name(name)))
    return scene.elsewhere(place)
