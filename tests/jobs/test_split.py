"""Every delivered line has exactly one fate, the one the contract gives it."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyspark.sql import SparkSession

from daybreak.datasets import EVENT_TYPES, EVENTS, USERS
from jobs.landing.split import Split
from tests.jobs.landing_oracle import Delivered, land

DAYS = ("2026-11-19", "2026-11-20", "2026-11-21")
GOOD = {"event_ts": "2026-11-19T12:00:00.123456Z", "user_id": "u1", "item_id": "i1", "event_type": "view"}

IDS = st.one_of(
    st.sampled_from([f"e{n}" for n in range(12)]),
    st.text(min_size=0, max_size=6).filter(lambda text: not any(0xD800 <= ord(c) < 0xE000 for c in text)),
    st.sampled_from([None, "", "x" * 256, "x" * 257, "ü" * 256, "y" * 10_000, " a", "a ", "a\n", "a\nb", "é\u00a0", 7]),
    st.sampled_from([["e1"], {"id": "e1"}, "[e1]", "{e1", True]),
)
MOMENTS = st.one_of(
    st.sampled_from(
        [f"2026-11-{day:02d}T{time}Z" for day in range(14, 24) for time in ("00:00:00", "23:59:59.999999")]
    ),
    st.sampled_from(
        [None, "", "1970-01-01T00:00:00Z", "2999-01-01T00:00:00Z", "12:34:56", "2026-11-20", "noon", 17, []]
    ),
    st.sampled_from(
        ["2026-11-20T12:00:00", "2026-11-20T23:30:00-02:00", "2026-02-30T00:00:00Z", "0001-01-01T00:00:00Z"]
    ),
)
NUMBERS = st.one_of(
    st.integers(-3, 20_000),
    st.floats(-1, 2e9),
    st.sampled_from([None, "", "12", " 7 ", "7.5", "many", True, float("nan"), float("inf"), "NaN", 2**40, -0.0, [1]]),
)
ROWS = st.fixed_dictionaries(
    {},
    optional={
        "event_ts": MOMENTS,
        "user_id": IDS,
        "item_id": IDS,
        "event_type": st.sampled_from([*EVENT_TYPES, "zap", "View", None, 3]),
        "price": NUMBERS,
        "rating": NUMBERS,
        "position": NUMBERS,
        "dwell_s": NUMBERS,
        "device": st.sampled_from(["web", "fridge", None, ""]),
        "session_id": IDS,
        "more": st.integers(),
    },
)


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """A line: mostly a good event or one with one thing wrong, at times no event at all."""
    event_id = draw(IDS if draw(st.integers(0, 9)) == 0 else st.sampled_from([f"e{n}" for n in range(40)]))
    row = {"event_id": event_id, **GOOD}
    wrong = draw(ROWS)
    for name in draw(st.lists(st.sampled_from(sorted(wrong)), max_size=2)) if wrong else []:
        row[name] = wrong[name]
    text = json.dumps(row, ensure_ascii=draw(st.booleans()))
    kind = draw(st.integers(0, 14))
    if kind == 0:
        return draw(
            st.sampled_from([b"", b"  ", b"\t", b"null", b"[]", b"12", b"{}", b'"x"', b"\x00", b"{", b"\xff\xfe{"])
        )
    if kind == 1:
        return draw(
            st.sampled_from(
                [
                    text[: len(text) // 2],
                    f"[{text}]",
                    f"{text}{text}",
                    f"{text} x",
                    f"{text},",
                    f"{text}]",
                    text.replace('"', "'"),
                ]
            )
        ).encode()
    return text.encode("latin-1", "ignore") if kind == 2 else text.encode()


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
