"""A person may let a gate pass, with a reason, for the very lists that were judged; what is absolute nobody may."""

from __future__ import annotations

from pathlib import Path

import pytest

from daybreak.datasets import GATES, LISTS, OVERRIDES
from daybreak.errors import GateError, InputError, SettingsError
from daybreak.lake import Lake, Window
from daybreak.releases import ReleaseStore
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from serving_export.verdict_of_night import gates_of
from serving_export.verdict_of_night import let_pass as passed
from tests.lake import put
from tests.serving_export.homes import copied, home_in
from tests.serving_export.nights import NIGHT, PLAIN, put_tiny_night
from tests.tiny import Row

SURFACES = PLAIN.replace("min_coverage: 0.98", "min_coverage: 0.5")
USER, WHY = "u1-1", "the account is being merged"
EMPTY, DUPLICATES = ("for_you", "empty"), ("for_you", "duplicates")


@pytest.fixture(scope="module")
def listed(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home with a good night's lists, not to be changed."""
    settings = home_in(tmp_path_factory.mktemp("listed"), SURFACES)
    put_tiny_night(Lake.of(settings))
    run("lists", settings)
    return settings


@pytest.fixture
def home(listed: Settings, tmp_path: Path) -> Settings:
    """A copy whose lists lack those of one user."""
    settings = copied(listed, tmp_path)
    put_lists(settings, [row for row in lists_in(settings) if row["query_id"] != USER])
    return settings


def run(step: str, home: Settings, **told: str) -> dict:
    """The summary of a step."""
    return run_steps([step_named(f"serving_export.{step}")], NIGHT, home, overrides=told)[-1].summary


def lists_in(home: Settings) -> list[Row]:
    return Lake.of(home).table(LISTS).read(Window(NIGHT, NIGHT)).to_pylist()


def put_lists(home: Settings, rows: list[Row]) -> None:
    put(Lake.of(home), LISTS, NIGHT, rows)


def refused(home: Settings, what: str = "for_you empty is") -> None:
    """Judges the lists, which must fail."""
    with pytest.raises(GateError, match=what):
        run("gates", home)


def let_pass(home: Settings, gate: tuple[str, str] = EMPTY, reason: str = WHY) -> dict:
    return passed(home, *gate, reason, NIGHT)


def digest_of(home: Settings) -> str:
    """The digest of the lists that were judged."""
    (digest,) = {row["lists_digest"] for row in Lake.of(home).table(GATES).read(Window(NIGHT, NIGHT)).to_pylist()}
    return digest


def put_override(home: Settings, gate: tuple[str, str], digest: str) -> None:
    """A row as it would stand there, had anybody been let write it."""
    row = {"surface": gate[0], "gate": gate[1], "reason": WHY, "lists_digest": digest}
    put(Lake.of(home), OVERRIDES, NIGHT, [row])


def twice(home: Settings) -> None:
    """Makes a list hold a candidate twice."""
    rows = lists_in(home)
    first = next(row for row in rows if row["query_id"] == "u1-2" and row["rank"] == 0)
    key = ("for_you", "u1-2", 1)
    doubled = {"candidate_id": first["candidate_id"]}
    put_lists(
        home, [{**row, **doubled} if (row["surface"], row["query_id"], row["rank"]) == key else row for row in rows]
    )


def test_what_a_person_let_pass_goes_live_and_the_release_tells_why(home):
    """The gate still did not hold, which stays on record; the night goes on, and its release names gate and reason."""
    refused(home)
    let_pass(home)
    assert run("gates", home)["overridden"] == 1
    (row,) = [row for row in gates_of(home, NIGHT) if not row["passed"]]
    assert (row["surface"], row["gate"], row["let_pass"]) == (*EMPTY, WHY)
    assert run("publish", home)["published"]
    release = ReleaseStore(home.releases).current()
    assert release.manifest.built_from["overrides"] == {"for_you empty": WHY}


def test_a_release_of_a_good_night_tells_of_no_override(listed, tmp_path):
    """Nothing was let pass, and nothing is told."""
    home = copied(listed, tmp_path)
    run("gates", home)
    run("publish", home)
    assert ReleaseStore(home.releases).current().manifest.built_from["overrides"] == {}


def test_publishing_asks_for_itself_what_was_let_pass(home):
    """The failed verdict alone publishes nothing; with the reason beside it, it does, and without it no more."""
    refused(home)
    with pytest.raises(GateError, match="failed their gates: for_you empty"):
        run("publish", home)
    let_pass(home)
    assert run("publish", home)["published"]
    put(Lake.of(home), OVERRIDES, NIGHT, [])
    with pytest.raises(GateError, match="failed their gates: for_you empty"):
        run("publish", home)


def test_what_no_list_may_hold_nobody_lets_pass(home):
    """Neither by asking, nor by a row that stands there all the same."""
    twice(home)
    refused(home, "for_you duplicates is")
    with pytest.raises(InputError, match=r"for_you duplicates .* nobody can let it pass; mend the lists"):
        let_pass(home, DUPLICATES)
    put_override(home, DUPLICATES, digest_of(home))
    refused(home, "for_you duplicates is")
    with pytest.raises(GateError, match=r"failed their gates: .*for_you duplicates"):
        run("publish", home)


def test_a_reason_holds_for_the_lists_that_it_was_given_for(home):
    """Lists that changed since are judged anew: by gates, by publishing, and by whoever wants to let one pass."""
    refused(home)
    let_pass(home)
    put_lists(home, [row for row in lists_in(home) if row["query_id"] != "u1-2"])
    with pytest.raises(
        InputError, match=r"judged on other lists than those there are now; run serving_export\.gates again"
    ):
        let_pass(home)
    refused(home)
    with pytest.raises(GateError, match="failed their gates: for_you empty"):
        run("publish", home)
    assert [row["let_pass"] for row in gates_of(home, NIGHT) if not row["passed"]] == [None]


def test_a_reason_for_other_lists_lets_nothing_pass(home):
    """A row of a digest that is not that of these lists is as good as none."""
    refused(home)
    put_override(home, EMPTY, digest_of(home)[:-1] + "x")
    refused(home)


def test_a_reason_for_one_gate_lets_no_other_pass(home):
    """Nor the same gate of another surface."""
    refused(home)
    for other in (("for_you", "coverage"), ("similar_items", "empty")):
        put_override(home, other, digest_of(home))
        refused(home)


def test_reasons_stand_beside_each_other_and_a_new_one_replaces_the_old(home):
    """Each gate has one reason, the newest."""
    put_lists(home, [row for row in lists_in(home) if (row["surface"], row["query_id"]) != ("similar_items", "i0-0")])
    refused(home, "for_you empty is .*similar_items empty is")
    assert let_pass(home)["overrides"] == 1
    assert let_pass(home, ("similar_items", "empty"))["overrides"] == 2
    assert let_pass(home, reason="  another reason  ")["overrides"] == 2
    rows = Lake.of(home).table(OVERRIDES).read(Window(NIGHT, NIGHT)).to_pylist()
    reasons = {(row["surface"], row["gate"]): row["reason"] for row in rows}
    assert reasons == {EMPTY: "another reason", ("similar_items", "empty"): WHY}
    run("gates", home)


@pytest.mark.parametrize(
    ("gate", "sentence"),
    [
        (("for_you", "taste"), "no gate for_you taste on .* was judged; `daybreak gates --ds"),
        (("elsewhere", "empty"), "no gate elsewhere empty on .* was judged"),
        (("for_you", "order"), "for_you order on .* holds, so there is nothing to let pass"),
    ],
)
def test_what_need_not_or_cannot_be_let_pass_is_told_in_a_sentence(home, gate, sentence):
    """And nothing is written."""
    refused(home)
    with pytest.raises(InputError, match=sentence):
        let_pass(home, gate)
    assert Lake.of(home).table(OVERRIDES).version() is None


@pytest.mark.parametrize("reason", ["", "ok", "     ", " ok  "])
def test_a_reason_must_be_one(home, reason):
    """Two letters or none are no reason, whatever spaces stand around them: nothing is written."""
    refused(home)
    with pytest.raises((SettingsError, InputError), match="reason"):
        let_pass(home, reason=reason)
    assert Lake.of(home).table(OVERRIDES).version() is None


def test_before_anything_was_judged_there_is_nothing_to_tell(home):
    """Of no night, and of a night that was not judged, each in a sentence with the step to run."""
    with pytest.raises(InputError, match=r"no lists were judged yet; run serving_export\.gates"):
        gates_of(home, None)
    refused(home)
    with pytest.raises(InputError, match=r"no lists were judged on 2031-01-01; run serving_export\.gates"):
        gates_of(home, "2031-01-01")
    assert {row["ds"] for row in gates_of(home, None)} == {NIGHT}
