"""`daybreak models`, as a scientist has it."""

from __future__ import annotations

import pytest

from daybreak.settings import Settings
from tests.daybreak.command_line import Command
from tests.training.registry.toys import MODEL, registered
from training.registry.gates import Gate
from training.registry.versions import Versions

GOOD, BAD = Gate("comparison", True, 0.1, None, "fine"), Gate("size", False, 3.0, 2.0, "3 MB is too much")


@pytest.fixture
def nights(versions: Versions) -> Versions:
    """Two champions and a challenger that was refused."""
    for day in ("2026-11-18", "2026-11-19"):
        versions.settle(registered(versions, day), [GOOD])
    versions.settle(registered(versions, "2026-11-20"), [GOOD, BAD])
    return versions


def test_an_empty_registry_says_what_makes_models(versions: Versions, daybreak: Command) -> None:
    """For people a sentence, for programs an empty document."""
    assert "no model is registered yet" in daybreak("models").out
    assert daybreak("models", "--json").json == {}


def test_models_are_listed_with_what_became_of_them(nights: Versions, daybreak: Command) -> None:
    """The newest version first: alias, day, gates and reason."""
    listed = daybreak("models", "--json").json[MODEL]
    assert listed["held"] is None
    assert [(each["version"], each["aliases"], each["gates"]) for each in listed["versions"]] == [
        (3, [], "refused"),
        (2, ["champion"], "passed"),
        (1, [], "passed"),
    ]
    assert listed["versions"][0]["why"] == "refused: size: 3 MB is too much"
    assert (listed["versions"][1]["champion_from"], listed["versions"][1]["trained_until"]) == ("2026-11-19",) * 2
    shown = daybreak("models").out
    assert MODEL in shown
    assert "2026-11-20" in shown


def test_only_the_newest_are_shown_unless_all_are_asked_for(versions: Versions, daybreak: Command) -> None:
    """But always the champion."""
    versions.settle(registered(versions, "2026-11-01"), [GOOD])
    for number in range(2, 14):
        registered(versions, f"2026-11-{number:02d}")
    shown = daybreak("models").out
    assert "and 2 older versions: daybreak models --all" in shown
    assert "2026-11-01" in shown
    assert "2026-11-02" not in shown
    assert "2026-11-02" in daybreak("models", "--all").out


def test_promote_and_roll_back(nights: Versions, daybreak: Command) -> None:
    """A person's word counts against gates; going back is held, and the list says so."""
    assert "version 3 of two_tower is champion" in daybreak("models", "promote", MODEL, "3", "--because", "mine").out
    assert daybreak("models", "roll-back", MODEL, "--because", "odd lists", "--json").json["version"] == 2
    assert "held, no night promotes another: rolled back from version 3: odd lists" in daybreak("models").out
    daybreak("models", "promote", MODEL, "2", "--because", "stay here, but go on")
    assert nights.held(MODEL) is None


def test_mistakes_are_one_sentence(nights: Versions, daybreak: Command) -> None:
    """With the exit code of their kind."""
    unknown = daybreak("models", "promote", MODEL, "9", "--because", "x")
    assert (unknown.code, unknown.sentence) == (10, f"model {MODEL} has no version 9; its versions are: 1, 2, 3")
    nothing = daybreak("models", "roll-back", "ranker", "--because", "x")
    assert (nothing.code, nothing.sentence) == (
        10,
        "model ranker has no champion to go back from; see `daybreak models`",
    )
    assert daybreak("models", "roll-back", MODEL, "--because", " ").code == 3


def test_an_mlflow_that_is_down_is_one_sentence(
    settings: Settings, daybreak: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With the code by which programs ask to be tried again."""
    monkeypatch.setenv("DAYBREAK_MLFLOW_URL", "http://127.0.0.1:9")
    outcome = daybreak("models")
    assert outcome.code == 75
    assert outcome.sentence.startswith("MLflow at http://127.0.0.1:9 does not answer (connection refused); ")
