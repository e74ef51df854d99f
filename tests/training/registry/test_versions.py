"""Which version serves a night, and who moves the alias."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from daybreak.errors import RegistryError
from tests.training.registry.toys import MODEL, champion_on, move, registered
from training.registry.catalogue import Version
from training.registry.gates import Gate
from training.registry.reigns import Reign, before, newest, serving
from training.registry.tracking import Registry
from training.registry.versions import Versions

GOOD = [Gate("comparison", True, 0.1, None, "no champion yet"), Gate("size", True, 1.0, 2.0, "1 MB")]
BAD = [GOOD[0], Gate("size", False, 3.0, 2.0, "3 MB; it must be at most 2 MB")]


def day(number: int) -> str:
    return (date(2026, 11, 1) + timedelta(days=number - 1)).isoformat()


def nights(versions: Versions, *numbers: int) -> list[Version]:
    """Nights that each train a version and find it good."""
    made = []
    for number in numbers:
        version = registered(versions, day(number))
        assert versions.settle(version, GOOD).promoted
        made.append(versions.get(MODEL, version.number))
    return made


def test_a_model_that_nobody_registered_has_no_champion(versions: Versions) -> None:
    """Nor has one whose versions nobody promoted."""
    assert champion_on(versions, day(1)) is None
    assert versions.list(MODEL) == []
    registered(versions, day(1))
    assert champion_on(versions, day(1)) is None


def test_the_first_good_version_becomes_champion_and_says_why(versions: Versions) -> None:
    """From its own night on; gates and reasons are tags that people read in MLflow."""
    (version,) = nights(versions, 3)
    assert version.aliases == ("champion",)
    assert champion_on(versions, day(3)) == champion_on(versions, day(9)) == 1
    assert {
        "champion_from": day(3),
        "champion_because": "passed every gate",
        "why": "passed every gate",
        "gates": "passed",
        "gate.size": "passed: 1 MB",
    }.items() <= version.tags.items()
    assert versions.registry.client.get_model_version(MODEL, "1").description == "passed every gate"


def test_a_night_that_is_built_again_gets_the_champion_of_its_time(versions: Versions) -> None:
    """Never a version that has seen a later day; before the first champion there is none."""
    nights(versions, 3, 5, 9)
    served = {number: champion_on(versions, day(number)) for number in range(1, 12)}
    assert served == {1: None, 2: None, 3: 1, 4: 1, 5: 2, 6: 2, 7: 2, 8: 2, 9: 3, 10: 3, 11: 3}
    assert versions.get(MODEL, 3).aliases == ("champion",)


def test_a_challenger_that_fails_a_gate_changes_nothing(versions: Versions) -> None:
    """It says which gate and by how much; the champion stays, also for that night."""
    nights(versions, 3)
    challenger = registered(versions, day(4))
    verdict = versions.settle(challenger, BAD)
    assert not verdict.promoted
    assert verdict.why == "refused: size: 3 MB; it must be at most 2 MB"
    assert champion_on(versions, day(4)) == 1
    refused = versions.get(MODEL, 2)
    assert (refused.tags["gates"], refused.why) == ("refused", verdict.why)
    assert refused.tags["gate.size"] == "REFUSED: 3 MB; it must be at most 2 MB"


def test_without_a_judgement_nothing_is_promoted(versions: Versions) -> None:
    """No gates are not good gates."""
    assert not versions.settle(registered(versions, day(1)), []).promoted


def test_by_hand_means_by_hand(registry: Registry) -> None:
    """With promotion = manual a good challenger waits; when a person moves the alias, the next night notes it."""
    versions = Versions(registry, promotion="manual")
    challenger = registered(versions, day(3))
    verdict = versions.settle(challenger, GOOD)
    assert verdict == type(verdict)(False, "passed every gate; it waits for a person to move the alias champion")
    assert champion_on(versions, day(3)) is None
    move(versions, challenger)
    assert champion_on(versions, day(4)) == 1
    noted = versions.get(MODEL, 1)
    assert (noted.tags["champion_from"], noted.tags["champion_because"]) == (day(4), "moved by hand")


def test_an_alias_moved_by_hand_is_noted_once(versions: Versions) -> None:
    """With the night that first finds it; nights before that keep their champions."""
    first, second = nights(versions, 3, 5)
    later = registered(versions, day(7))
    move(versions, later)
    assert champion_on(versions, day(8)) == champion_on(versions, day(9)) == 3
    assert [(each.ds, each.how) for each in versions.get(MODEL, 3).reigns] == [(day(8), "moved by hand")]
    assert (champion_on(versions, day(4)), champion_on(versions, day(6))) == (first.number, second.number)
    assert versions.held(MODEL) is None


def test_an_alias_moved_back_by_hand_stays_where_it_is(versions: Versions) -> None:
    """The next night notes it and does not undo it, whatever its gates say, until a person lets go."""
    first, _ = nights(versions, 3, 5)
    move(versions, first)
    assert champion_on(versions, day(6)) == 1
    assert versions.held(MODEL) == "moved by hand, back from version 2"
    challenger = registered(versions, day(6))
    verdict = versions.settle(challenger, GOOD)
    assert not verdict.promoted
    assert "but the champion is held (moved by hand, back from version 2)" in verdict.why
    assert champion_on(versions, day(7)) == 1
    versions.appoint(MODEL, 1, "looked at it; nights may go on")
    assert versions.held(MODEL) is None
    assert versions.settle(registered(versions, day(8)), GOOD).promoted


def test_a_backfill_does_not_take_the_alias_for_moved(versions: Versions) -> None:
    """Only a night that is not older than the last deed says that somebody moved it."""
    first, _ = nights(versions, 3, 5)
    move(versions, first)
    assert champion_on(versions, day(4)) == 1
    assert versions.held(MODEL) is None
    assert [each.how for each in versions.get(MODEL, 1).reigns] == ["promoted"]


def test_a_night_that_is_built_again_never_moves_the_alias_back(versions: Versions) -> None:
    """What it learned serves the nights that are built again after it; the newest champion stays."""
    nights(versions, 3, 9)
    rebuilt = registered(versions, day(5))
    verdict = versions.settle(rebuilt, GOOD)
    assert not verdict.promoted
    assert "while version 2, which learned until 2026-11-09, stays champion" in verdict.why
    served = {number: champion_on(versions, day(number)) for number in (4, 5, 8, 9, 10)}
    assert served == {4: 1, 5: 3, 8: 3, 9: 2, 10: 2}
    assert versions.held(MODEL) is None
    assert versions.get(MODEL, 2).aliases == ("champion",)


def test_promoting_the_champion_changes_nothing(versions: Versions) -> None:
    """A night that is run again says so."""
    (version,) = nights(versions, 3)
    assert versions.settle(version, GOOD).why == "passed every gate; it is champion already"
    assert len(versions.get(MODEL, 1).reigns) == 1


def test_roll_back_goes_to_the_champion_before_and_holds_it(versions: Versions) -> None:
    """With its reason; again, further back; and not to one that somebody has gone back from."""
    nights(versions, 3, 5, 7)
    assert versions.roll_back(MODEL, "odd lists").number == 2
    assert versions.held(MODEL) == "rolled back from version 3: odd lists"
    assert champion_on(versions, day(7)) == champion_on(versions, day(8)) == 2
    assert versions.get(MODEL, 2).tags["champion_because"] == "odd lists"
    assert not versions.settle(registered(versions, day(8)), GOOD).promoted
    assert versions.roll_back(MODEL, "still odd").number == 1
    with pytest.raises(RegistryError, match=f"model {MODEL} had no champion before version 1 to go back to"):
        versions.roll_back(MODEL, "worse")
    assert versions.appoint(MODEL, 4, "mended").aliases == ("champion",)
    assert versions.held(MODEL) is None
    assert versions.settle(registered(versions, day(9)), GOOD).promoted
    assert versions.roll_back(MODEL, "odd again").number == 4


def test_a_person_appoints_whom_they_like(versions: Versions) -> None:
    """Also one that the gates refused; one that goes back is held there."""
    nights(versions, 3, 5)
    refused = registered(versions, day(6))
    versions.settle(refused, BAD)
    assert versions.appoint(MODEL, 3, "the gate is wrong").tags["champion_because"] == "the gate is wrong"
    assert versions.held(MODEL) is None
    versions.appoint(MODEL, 1, "a campaign")
    assert versions.held(MODEL) == "moved back from version 3: a campaign"
    assert champion_on(versions, day(7)) == 1


def test_what_is_not_there_is_told(versions: Versions) -> None:
    """An unknown version with those there are, a roll-back from nothing, a version that Daybreak did not register."""
    with pytest.raises(RegistryError, match=rf"model {MODEL} has no version 7; its versions are: none"):
        versions.appoint(MODEL, 7, "why not")
    with pytest.raises(RegistryError, match=rf"model {MODEL} has no champion to go back from"):
        versions.roll_back(MODEL, "why not")
    version = registered(versions, day(1))
    with pytest.raises(RegistryError, match=r"has no version 7; its versions are: 1"):
        versions.get(MODEL, 7)
    versions.registry.client.delete_model_version_tag(MODEL, "1", "trained_until")
    move(versions, version)
    with pytest.raises(RegistryError, match=r"version 1 of model two_tower has no tag 'trained_until'"):
        versions.champion(MODEL, day(2))


def test_a_tag_that_cannot_be_read_is_told(versions: Versions) -> None:
    """Which tag of which version, and what to do."""
    nights(versions, 3)
    versions.registry.client.set_model_version_tag(MODEL, "1", "reigns", "[{]")
    with pytest.raises(RegistryError, match=r"the tag 'reigns' of version 1 of model two_tower cannot be read"):
        versions.champion(MODEL, day(4))


def test_a_version_that_was_deleted_is_not_missed(versions: Versions) -> None:
    """Without its version the alias is gone: no champion, and the next good one becomes it."""
    nights(versions, 3, 5)
    versions.registry.client.delete_model_version(MODEL, "2")
    assert champion_on(versions, day(6)) is None
    assert versions.settle(registered(versions, day(7)), GOOD).promoted


def test_of_reigns_that_begin_with_one_night_the_later_deed_counts() -> None:
    """And a reign in hindsight is no deed that moved the alias."""
    reigns = [
        Reign(1, day(3), 1, "promoted", ""),
        Reign(2, day(5), 2, "promoted", ""),
        Reign(1, day(5), 3, "rolled back", ""),
        Reign(3, day(4), 4, "in hindsight", ""),
    ]
    assert [found.number if (found := serving(reigns, day(number))) else None for number in (2, 3, 4, 5)] == [
        None,
        1,
        3,
        1,
    ]
    assert newest(reigns) == reigns[2]
    assert before(reigns, 1) is None
    assert before(reigns[:2], 2) == 1
