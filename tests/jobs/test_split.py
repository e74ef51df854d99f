"""Every delivered line has exactly one fate, the one the contract gives it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from daybreak.datasets import EVENTS, USERS
from jobs.landing.split import Split
from tests.jobs.landing_oracle import Delivered, land
from tests.jobs.odd_lines import lines

DAYS = ("2026-11-19", "2026-11-20", "2026-11-21")


@st.composite
def deliveries(draw: st.DrawFn) -> list[tuple[str, str, list[bytes]]]:
    """Files of several days, some of them gzip: day, name, lines."""
    files = []
    for day in DAYS:
        for number in range(draw(st.integers(1, 2))):
            ending = draw(st.sampled_from([".jsonl", ".jsonl.gz"]))
            files.append((day, f"part-{number:05d}{ending}", draw(st.lists(lines(), min_size=1, max_size=40))))
    return files


@pytest.mark.slow
@settings(
    max_examples=4,
    phases=[Phase.generate],
    deadline=None,
    suppress_health_check=list(HealthCheck),
    derandomize=True,
)
@given(files=deliveries())
def test_lines_meet_the_fate_that_the_contract_gives_them(
    spark: SparkSession, tmp_path_factory: pytest.TempPathFactory, files: list[tuple[str, str, list[bytes]]]
) -> None:
    """Accepted ids with their days, broken rules by file and line, and duplicates equal a line-by-line oracle."""
    root = tmp_path_factory.mktemp("landing") / "events"
    paths, delivered = [], []
    for day, name, content in files:
        path = root / f"ds={day}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        body = b"".join(line + b"\n" for line in content)
        path.write_bytes(gzip.compress(body, mtime=0) if name.endswith(".gz") else body)
        paths.append(path)
        delivered.append(Delivered(f"events/ds={day}/{name}", day, tuple(content)))

    expected = land(EVENTS, delivered)
    split = Split(spark, EVENTS, paths)
    found = split.accounts()
    accepted = {row["event_id"]: (row["ds"], row["landed_ds"]) for row in split.accepted().collect()}
    refused = {(row["file"], row["line"]): row["rules"] for row in split.quarantined().collect()}

    assert refused == expected.refused
    assert accepted == expected.accepted
    assert sum(account.rows_in for account in found.values()) == expected.rows_in
    assert sum(account.duplicates for account in found.values()) == expected.duplicates
    for account in found.values():
        assert account.rows_in == account.accepted + account.quarantined + account.duplicates
        assert account.accepted == sum(account.accepted_by_day.values())


def test_a_refused_line_is_kept_whole_with_where_it_stood(spark: SparkSession, tmp_path: Path) -> None:
    """Bytes that are no UTF-8 come back from the quarantine, and odd file names are found and told as they are."""
    broken = '{"event_id": "e1", "user_id": "Zoë"}'.encode("latin-1")
    path = tmp_path / "land ing+" / "events" / "ds=2026-11-20" / "part [1] {a}%20*.jsonl"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"\n" + broken + b"\n")
    split = Split(spark, EVENTS, [path])
    [row] = split.quarantined().collect()
    assert row["file"] == str(path.relative_to(tmp_path / "land ing+"))
    assert row["line"] == 2
    assert row["rules"] == "row.encoding"
    assert row["row"].encode("latin-1") == broken


def test_a_state_is_told_apart_by_when_it_began(spark: SparkSession, tmp_path: Path) -> None:
    """Two states of one user on one day both land; the same state twice is a duplicate, with other contents a
    conflict."""
    path = tmp_path / "ds=2026-11-20" / "part-00000.jsonl"
    path.parent.mkdir()
    first = {"user_id": "u1", "updated_ts": "2026-11-20T08:00:00Z", "status": "active"}
    later = {**first, "updated_ts": "2026-11-20T09:00:00Z", "status": "deactivated"}
    rows = [first, later, first, {**later, "status": "active"}]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    split = Split(spark, USERS, [path])
    account = split.accounts()["2026-11-20"]
    [refused] = split.quarantined().collect()
    assert (account.accepted, account.duplicates, account.quarantined) == (2, 1, 1)
    assert (refused["line"], refused["rules"]) == (4, "user_id.conflict updated_ts.conflict")


def test_a_state_told_again_on_another_day_lands_on_both(spark: SparkSession, tmp_path: Path) -> None:
    """Landed together, after an outage, as night by night: each day has its state, the later one corrected."""
    told = {"user_id": "u1", "updated_ts": "2026-11-20T08:00:00Z", "status": "active", "country": "DE"}
    paths = []
    for day, country in (("2026-11-20", "DE"), ("2026-11-21", "DE"), ("2026-11-22", "FR")):
        paths.append(tmp_path / f"ds={day}" / "part-00000.jsonl")
        paths[-1].parent.mkdir()
        paths[-1].write_text(json.dumps({**told, "country": country}) + "\n")
    split = Split(spark, USERS, paths)
    assert {(row["ds"], row["country"]) for row in split.accepted().collect()} == {
        ("2026-11-20", "DE"),
        ("2026-11-21", "DE"),
        ("2026-11-22", "FR"),
    }
    assert all((each.quarantined, each.duplicates) == (0, 0) for each in split.accounts().values())
