"""The commands on tables, releases, lineage and steps: `--json` for programs, one sentence for mistakes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from daybreak.candidates import POPULARITY
from daybreak.datasets import DATASETS
from daybreak.lake import Lake
from daybreak.releases import ReleaseStore
from daybreak.settings import Settings
from tests.daybreak.command_line import Command
from tests.daybreak.releases import audited, build, published
from tests.daybreak.rows import DAY, WORK, write

NEXT = "2026-11-21"


def test_tables_lists_every_dataset(daybreak: Command, lake: Lake) -> None:
    """All that are declared, with rows, days, version and size; empty ones too."""
    write(lake, "a", DAY)
    write(lake, "b", NEXT, number=4)
    document = daybreak("tables", "--json").json
    assert document["lake"] == lake.url
    found = {row["table"]: row for row in document["tables"]}
    assert set(found) == set(DATASETS)
    mine = found[POPULARITY.name]
    assert (mine["rows"], mine["days"], mine["first"], mine["last"], mine["version"]) == (7, 2, DAY, NEXT, 2)
    assert (found["raw/events"]["rows"], found["raw/events"]["version"]) == (0, None)


def test_one_table_tells_its_days_and_commits(daybreak: Command, lake: Lake) -> None:
    """Days with rows and digests, commits with their attempt."""
    write(lake, "a", DAY)
    document = daybreak("tables", "popularity", "--json").json
    assert document["days"] == [{"ds": DAY, "rows": 3, "digest": lake.table(POPULARITY).digest(DAY)}]
    newest = document["history"][0]
    assert (newest["version"], newest["work"], newest["ds"], newest["token"]) == (1, WORK, DAY, "1")


def test_a_day_of_a_table_tells_its_rows(daybreak: Command, lake: Lake) -> None:
    """As many as asked for, and how many there are."""
    write(lake, "a", DAY, number=5)
    document = daybreak("tables", "popularity", "--ds", DAY, "--limit", "2", "--json").json
    assert (document["rows"], len(document["shown"]), document["shown"][0]["item_id"]) == (5, 2, "a-0")


def test_contracts_tell_every_column(daybreak: Command) -> None:
    """What each dataset promises, as a program wants it."""
    found = {row["table"]: row for row in daybreak("tables", "--contracts", "--json").json}
    assert set(found) == set(DATASETS)
    assert [column["name"] for column in found["raw/events"]["columns"]] == list(DATASETS["raw/events"].column_names)


def test_table_clean_up_keeps_what_releases_were_built_from(
    daybreak: Command, lake: Lake, store: ReleaseStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Versions that a kept release names stay readable, also when nothing is recent any more."""
    from daybreak.lake import Table

    pinned = write(lake, "pinned")
    write(lake, "between")
    write(lake, "newest")
    with store.build(
        ds=DAY, model="m", surfaces=("for_you",), built_from={"tables": {POPULARITY.name: pinned}}
    ) as draft:
        (draft.path / "lists").write_text("x")
        draft.add("lists", rows=1)
    clean = Table.clean
    monkeypatch.setattr(Table, "clean", lambda self, pins: clean(self, pins, retention_hours=0))
    removed = daybreak("tables", "--clean", "--json").json["removed_files"]
    assert removed[POPULARITY.name] == 1
    assert lake.table(POPULARITY).read(version=pinned).num_rows == 3


def test_releases_list_tells_the_state_of_each(daybreak: Command, store: ReleaseStore) -> None:
    """Live, good, failed, unaudited and damaged ones, the newest day first."""
    damaged = build(store, "2026-11-15")
    (store.folder / damaged / "manifest.json").write_text("{")
    unaudited, failed = build(store, "2026-11-16"), audited(store, "2026-11-17", passes=False)
    good, live = audited(store, "2026-11-18"), published(store, "2026-11-19").id
    found = [(row["release"], row["state"]) for row in daybreak("releases", "list", "--json").json]
    assert found == [
        (live, "live"),
        (good, "good"),
        (failed, "failed audit"),
        (unaudited, "unaudited"),
        (damaged, "damaged"),
    ]
    assert daybreak("releases", "list").code == 0


def test_releases_are_moved_between_and_the_history_tells_why(daybreak: Command, store: ReleaseStore) -> None:
    """Publish, roll back, pin, unpin and clean, each answered with what is live then."""
    first, second = audited(store, "2026-11-19"), audited(store, "2026-11-20")
    for release in (first, second):
        assert daybreak("releases", "publish", release, "--reason", "by hand", "--json").json["state"] == "live"
    rolled = daybreak("releases", "rollback", "--reason", "bad", "--json").json
    assert (rolled["release"], rolled["state"]) == (first, "live, pinned")
    assert daybreak("releases", "unpin", "--reason", "fine", "--json").json["state"] == "live"
    assert daybreak("releases", "pin", "--reason", "sale", "--json").json["state"] == "live, pinned"
    history = daybreak("releases", "history", "--json").json
    assert [flip["action"] for flip in history] == ["pin", "unpin", "rollback", "publish", "publish"]
    assert daybreak("releases", "clean", "--json").json == {"removed": []}
    shown = daybreak("releases", "show", first[:10], "--json").json
    assert shown["release"] == first
    assert all(check["passed"] for check in shown["checks"])


def test_lineage_tells_what_a_release_was_made_from(daybreak: Command, settings: Settings, store: ReleaseStore) -> None:
    """The live release, its tables, and the runs behind them."""
    from daybreak.candidates import TRENDING
    from daybreak.runner import run_steps
    from tests.daybreak.steps import TOY

    [record] = run_steps([TOY], DAY, settings)
    tables = {TRENDING.name: record.outputs[0].version}
    with store.build(ds=DAY, model="m", surfaces=("for_you",), built_from={"tables": tables}) as draft:
        (draft.path / "lists").write_text("x")
        draft.add("lists", rows=1)
    store.audit(draft.release_id, [])
    store.publish(draft.release_id, reason="night")
    document = daybreak("lineage", "--json").json
    assert (document["release"], document["ds"]) == (draft.release_id, DAY)
    assert [(run["step"], run["config_hash"]) for run in document["runs"]] == [("tests.toy", record.config_hash)]
    assert "tests.toy" in daybreak("lineage", draft.release_id).out


def test_doctor_looks_at_everything(daybreak: Command) -> None:
    """On a machine that passes the tests, nothing is wrong but perhaps the room on its disk."""
    import json

    outcome = daybreak("doctor", "--json")
    findings = {finding["name"]: finding for finding in json.loads(outcome.out)}
    assert {"python", "libraries", "java", "disk", "surfaces", "steps", "lake", "release"} <= set(findings)
    assert all(finding["fine"] for name, finding in findings.items() if name != "disk"), findings


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (("tables", "nothing"), 3, "no dataset is called 'nothing'; there are: "),
        (("tables", "popularity", "--ds", "today"), 3, "'today' is no day: write it as YYYY-MM-DD"),
        (("releases", "show", "2026"), 6, "one release should be called '2026', found none"),
        (("releases", "publish", "2026", "--reason", "x"), 6, "one release should be called '2026', found none"),
        (("releases", "rollback", "--reason", "x"), 6, "nothing is published in "),
        (("releases", "pin", "--reason", "x"), 6, "nothing is published in "),
        (("lineage",), 6, "nothing is published in "),
        (("run", "jobs.nothing", "--ds", DAY), 3, "there is no step 'jobs.nothing'; the steps are: "),
        (("run", "jobs.popularity", "--ds", "2026-13-01"), 3, "'2026-13-01' is no day: write it as YYYY-MM-DD"),
        (
            ("run", "jobs.popularity", "--ds", DAY, "--set", "window_days"),
            3,
            "--set takes NAME=VALUE, not 'window_days'",
        ),
        (("run", "jobs.popularity", "--ds", DAY, "--set", "window_days=0"), 2, "step jobs.popularity cannot be run: "),
        (("run", "jobs.popularity", "--ds", DAY, "--set", "widow=[1"), 3, "--set widow"),
        (("run", "jobs.popularity", "--ds", DAY, "--set", "days=1"), 2, "It takes: window_days, half_life_days"),
        (("run", "jobs.popularity", "jobs.trending", "--ds", DAY, "--set", "a=1"), 3, "need exactly one step"),
    ],
)
def test_a_mistake_is_one_sentence_and_an_exit_code(
    daybreak: Command, arguments: tuple[str, ...], code: int, sentence: str
) -> None:
    """On standard error, without a traceback, with the exit code of its kind."""
    outcome = daybreak(*arguments)
    assert sentence in outcome.sentence
    assert outcome.code == code


def test_wrong_settings_are_one_sentence(daybreak: Command, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the command."""
    monkeypatch.setenv("DAYBREAK_HOEM", "x")
    outcome = daybreak("tables")
    assert (outcome.code, "DAYBREAK_HOEM: no such setting" in outcome.sentence) == (2, True)


def test_the_installed_command_starts_without_the_engines(settings: Settings) -> None:
    """`daybreak --help` loads no Spark, Airflow or Arrow: it answers at once."""
    program = (
        "import sys, daybreak.cli.main\n"
        "heavy = {'pyspark', 'airflow', 'pyarrow', 'deltalake', 'pandas', 'great_expectations'} & set(sys.modules)\n"
        "sys.exit(', '.join(sorted(heavy)) or None)"
    )
    checked = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert (checked.returncode, checked.stderr) == (0, "")
    command = Path(sys.executable).with_name("daybreak")
    helped = subprocess.run([command, "--help"], capture_output=True, text=True, timeout=60, check=True)
    assert all(name in helped.stdout for name in ("nightly", "run", "tables", "releases", "lineage", "doctor"))
