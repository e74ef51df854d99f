"""Running steps: what they may touch, what is recorded of them, what they are refused."""

from __future__ import annotations

import json
import re

import pytest

from daybreak.candidates import POPULARITY, TRENDING
from daybreak.code_version import code_version
from daybreak.errors import GateError, InputError, SettingsError
from daybreak.lake import Lake
from daybreak.lineage import LineageBook, RunRecord, Touched
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import StepSpec, all_steps, step_named
from daybreak.targets import load
from tests.daybreak.rows import DAY, tags, write
from tests.daybreak.steps import TOY

BEFORE, AFTER = "2026-11-19", "2026-11-21"


def toy(settings: Settings, ds: str = DAY, **values: object) -> RunRecord:
    return run_steps([TOY], ds, settings, overrides=values)[0]


def test_a_run_is_recorded_with_all_that_made_it(settings: Settings, lake: Lake) -> None:
    """Inputs and outputs with versions and days, rows, code, configuration, time and memory, as was returned."""
    write(lake, "known", BEFORE, number=5)
    record = toy(settings, tag="mine")
    assert (record.step, record.ds, record.status, record.error) == ("tests.toy", DAY, "done", None)
    assert record.inputs == [Touched(POPULARITY.name, 1, days=f"first to {DAY}")]
    assert record.outputs == [Touched(TRENDING.name, 1, rows=3, days=DAY)]
    assert record.config == {"ds": DAY, "tag": "mine", "number": 3, "fault": "none"}
    assert (record.code_version, len(record.config_hash)) == (code_version(), 12)
    assert record.summary["known"] == 5
    assert record.seconds >= 0
    assert record.peak_memory_mb > 10
    assert LineageBook(settings.lineage).runs_of(DAY) == [record]


def test_the_configuration_hash_tells_settings_apart_and_not_days(settings: Settings) -> None:
    """Two nights with one configuration have one hash."""
    hashes = [toy(settings, ds, tag=tag).config_hash for ds, tag in ((DAY, "a"), (AFTER, "a"), (DAY, "b"))]
    assert hashes[0] == hashes[1] != hashes[2]


def test_the_seed_belongs_to_step_and_day(settings: Settings) -> None:
    """The same on every run of a day, another on another day."""
    seeds = [toy(settings, ds).summary["seed"] for ds in (DAY, DAY, AFTER)]
    assert seeds[0] == seeds[1] != seeds[2]


@pytest.mark.parametrize(
    ("fault", "error", "sentence"),
    [
        ("reads", SettingsError, "step tests.toy reads candidates/cooccurrence without declaring it"),
        ("asks", SettingsError, "step tests.toy reads candidates/cooccurrence without declaring it"),
        ("writes", SettingsError, "step tests.toy writes candidates/popularity without declaring it"),
        ("refuses", GateError, "the toy refuses; try another"),
        ("breaks", ZeroDivisionError, "the toy broke"),
    ],
)
def test_a_failed_run_is_recorded_with_its_sentence(
    settings: Settings, lake: Lake, fault: str, error: type[Exception], sentence: str
) -> None:
    """What a step did not declare is refused, and every failure leaves a record: how far it came, and why it ended."""
    with pytest.raises(error, match=re.escape(sentence)):
        toy(settings, fault=fault)
    [record] = LineageBook(settings.lineage).runs_of(DAY)
    assert record.status == "failed"
    assert record.error is not None
    assert sentence in record.error
    assert [touched.dataset for touched in record.inputs] == [POPULARITY.name]
    assert record.summary == ({"seen": 0} if fault == "refuses" else {})
    assert [touched.dataset for touched in record.outputs] == ([TRENDING.name] if fault == "breaks" else [])
    assert lake.table(POPULARITY).version() is None


def test_the_first_failure_ends_the_run(settings: Settings) -> None:
    """Steps after it do not run; those before it stay done."""
    bad = StepSpec("tests.bad", TOY.target, TOY.config, writes=())
    seen: list[str] = []
    with pytest.raises(SettingsError):
        run_steps([TOY, bad, TOY], DAY, settings, observer=lambda record: seen.append(record.step))
    assert seen == ["tests.toy"]
    runs = LineageBook(settings.lineage).runs_of(DAY)
    assert {(run.step, run.status) for run in runs} == {("tests.toy", "done"), ("tests.bad", "failed")}
    assert len(runs) == 2


def test_a_step_sees_nothing_later_than_its_day(settings: Settings, lake: Lake) -> None:
    """A night that is rebuilt later sees what it saw then."""
    write(lake, "then", BEFORE)
    then = toy(settings, BEFORE).summary
    write(lake, "later", DAY)
    assert toy(settings, BEFORE).summary == then
    assert toy(settings, DAY).summary["known"] == 6


def test_every_run_is_a_new_attempt_and_replaces_the_day(settings: Settings, lake: Lake) -> None:
    """A second run takes the next number and leaves its rows alone in the day."""
    first, second = toy(settings, tag="first"), toy(settings, tag="second")
    assert second.attempt == first.attempt + 1
    assert tags(lake.table(TRENDING)) == ["second"] * 3


def test_settings_of_a_step_come_from_the_file_and_a_run_may_override_them(settings: Settings) -> None:
    """The settings object holds them by step name; --set wins."""
    configured = settings.model_copy(update={"steps": {"tests.toy": {"tag": "file", "number": 2}}})
    assert run_steps([TOY], DAY, configured)[0].config["tag"] == "file"
    record = run_steps([TOY], DAY, configured, overrides={"tag": "run"})[0]
    assert (record.config["tag"], record.config["number"]) == ("run", 2)


def test_every_error_of_a_configuration_is_told_at_once(settings: Settings) -> None:
    """Unknown names, wrong types and values out of range in one sentence that names what there is; nothing runs."""
    with pytest.raises(SettingsError, match=r"step tests.toy cannot be run") as caught:
        toy(settings, number=-1, fault="other", tagg="x")
    assert all(name in str(caught.value) for name in ("number", "fault", "tagg", "It takes: tag, number, fault"))
    assert LineageBook(settings.lineage).runs_of(DAY) == []


@pytest.mark.parametrize("ds", ["2026-11-31", "20261120", "yesterday", "", "2026-11-20T00:00", "2026-1-2"])
def test_a_day_that_is_none_is_refused_before_anything_runs(settings: Settings, ds: str) -> None:
    """One sentence that says how a day is written."""
    with pytest.raises(InputError, match="is no day: write it as YYYY-MM-DD, such as"):
        toy(settings, ds)
    assert not settings.lineage.exists()


def test_overrides_need_exactly_one_step(settings: Settings) -> None:
    """With several steps it would not be clear whose setting it is."""
    with pytest.raises(InputError, match="exactly one step"):
        run_steps([TOY, TOY], DAY, settings, overrides={"tag": "x"})


def test_an_unknown_step_is_told_with_the_steps_there_are() -> None:
    """The sentence lists every step."""
    with pytest.raises(InputError, match=r"there is no step 'jobs.nothing'; the steps are: jobs.ingest, ") as caught:
        step_named("jobs.nothing")
    assert all(name in str(caught.value) for name in all_steps())


@pytest.mark.parametrize(
    ("target", "sentence"),
    [("tests.daybreak.steps", "must be of the form module:attribute"), ("tests.daybreak.steps:nobody", "no 'nobody'")],
)
def test_a_target_that_is_not_there_is_told(target: str, sentence: str) -> None:
    """A misspelt target is a sentence."""
    with pytest.raises(SettingsError, match=sentence):
        load(target)


def test_records_are_plain_json(settings: Settings) -> None:
    """Any program can read a record."""
    toy(settings)
    [path] = settings.lineage.rglob("*.json")
    document = json.loads(path.read_text())
    assert (document["step"], document["status"]) == ("tests.toy", "done")
