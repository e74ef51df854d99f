"""Every line is judged as the contract says, whatever bytes a file holds and however its work is shared out."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from daybreak.datasets import EVENTS, ITEMS
from jobs.landing import lines as landing_lines
from jobs.landing.judging import FILE_BITS, DeliveredFile, Share, judge, numbered
from jobs.landing.tasks import shared_out
from tests.jobs import landing_oracle
from tests.jobs.odd_lines import lines

DAY = "2026-11-20"


def judged(path: Path, dataset=EVENTS, of: int = 1) -> list[dict]:
    """All verdicts on a file, by the line's number."""
    [file] = numbered([path])
    rows = [
        row for share in range(of) for batch in judge(dataset, [Share(file, share, of)]) for row in batch.to_pylist()
    ]
    return sorted(rows, key=lambda row: row["_place"])


def deliver(root: Path, name: str, body: bytes) -> Path:
    path = root / "events" / f"ds={DAY}" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(body, mtime=0) if name.endswith(".gz") else body)
    return path


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(content=st.lists(lines(), min_size=1, max_size=40), packed=st.booleans(), of=st.integers(1, 3))
def test_every_line_gets_the_verdict_of_the_oracle(tmp_path_factory, content, packed, of):
    """Values, rules broken, and the text of refused lines, with blocks of a few lines and several tasks to a file."""
    body = b"".join(line + b"\n" for line in content)
    path = deliver(tmp_path_factory.mktemp("judged"), "part.jsonl.gz" if packed else "part.jsonl", body)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(landing_lines, "BLOCK_BYTES", 700)
        rows = judged(path, of=of)
    expected = [(number, line) for number, line in enumerate(content, start=1) if line.strip(b" \t")]
    assert [row["_place"] for row in rows] == [number for number, _ in expected]
    for row, (_, line) in zip(rows, expected, strict=True):
        rules, values = landing_oracle.judge(EVENTS, line, DAY)
        assert row["_rules"] == (" ".join(rules) or None), line
        if rules:
            assert row["_row"] in (line.decode("utf-8", "ignore"), line.decode("latin-1"))
        else:
            assert {name: row[name] for name in values} == values
            assert row["ds"] == values["event_ts"].date().isoformat()


@pytest.mark.parametrize("ending", [b"\n", b"\r\n", b""])
def test_the_last_line_counts_however_it_ends(tmp_path, ending):
    row = b'{"event_id": "e1"}'
    rows = judged(deliver(tmp_path, "part.jsonl", row + b"\r\n" + row + ending))
    assert [row["_place"] for row in rows] == [1, 2]
    assert {row["_row"] for row in rows} == {row.decode()}


def test_the_mark_before_utf8_is_no_part_of_the_first_line(tmp_path):
    row = json.dumps({"event_id": "e1", "event_ts": f"{DAY}T01:00:00Z", "user_id": "u", "item_id": "i"}).encode()
    [judgement] = judged(deliver(tmp_path, "part.jsonl", b"\xef\xbb\xbf" + row))
    assert (judgement["event_id"], judgement["_rules"]) == ("e1", "event_type.required")


@pytest.mark.parametrize(
    ("column", "value", "rule"),
    [
        ("event_ts", f"{DAY} 24:00:00", "event_ts.type"),
        ("event_ts", "epoch", "event_ts.type"),
        ("event_ts", "infinity", "event_ts.type"),
        ("position", "0x10", "position.type"),
        ("position", 7.5, "position.type"),
        ("position", "1_000", "position.type"),
        ("price", "1_000", "price.type"),
        ("price", "true", "price.type"),
        ("price", 1e400, "price.range"),
    ],
)
def test_text_that_an_engine_would_bend_into_a_value_is_refused(tmp_path, column, value, rule):
    row = {"event_id": "e", "event_ts": f"{DAY}T01:00:00Z", "user_id": "u", "item_id": "i", "event_type": "view"}
    [judgement] = judged(deliver(tmp_path, "part.jsonl", json.dumps({**row, column: value}).encode()))
    assert judgement["_rules"] == rule


def test_a_file_of_blank_lines_or_of_none_holds_no_rows(tmp_path):
    assert judged(deliver(tmp_path, "part.jsonl", b"\n \n\t\r\n")) == []
    assert judged(deliver(tmp_path, "none.jsonl", b"")) == []


def test_a_line_longer_than_a_block_stays_whole(tmp_path, monkeypatch):
    monkeypatch.setattr(landing_lines, "BLOCK_BYTES", 64)
    item = {"item_id": "i1", "updated_ts": f"{DAY}T00:00:00Z", "title": "t" * 900, "status": "active"}
    rows = judged(deliver(tmp_path, "part.jsonl", (json.dumps(item) + "\n").encode() * 3), ITEMS, of=2)
    assert [len(row["title"]) for row in rows] == [900] * 3


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(sizes=st.lists(st.integers(0, 40), min_size=1, max_size=30), cores=st.integers(1, 8))
def test_every_block_of_every_file_is_the_work_of_exactly_one_task(tmp_path_factory, sizes, cores):
    """And no task has much more than a core's part of all bytes."""
    folder = tmp_path_factory.mktemp("shares") / f"ds={DAY}"
    folder.mkdir()
    files = []
    for number, size in enumerate(sizes):
        path = folder / f"part-{number:05d}.jsonl"
        with path.open("wb") as file:
            file.truncate(size << 20)
        files.append(path)
    tasks = shared_out(numbered(files), cores)
    work: dict[DeliveredFile, list[tuple[int, int]]] = {}
    for share in (share for task in tasks for share in task):
        work.setdefault(share.file, []).append((share.share, share.of))
    assert sorted(file.number for file in work) == list(range(len(files)))
    assert all(sorted(shares) == [(n, shares[0][1]) for n in range(shares[0][1])] for shares in work.values())
    fair = max(4, -(-sum(sizes) // cores))
    heaviest = max(sum(sizes[share.file.number] / share.of for share in task) for task in tasks)
    assert heaviest <= 2 * fair


def test_a_place_tells_the_file_and_the_line(tmp_path):
    first, second = (deliver(tmp_path, f"part-{n}.jsonl", b"{}\n{}\n") for n in range(2))
    files = numbered([first, second])
    batches = judge(EVENTS, [Share(file) for file in files])
    places = pa.concat_arrays([batch["_place"] for batch in batches]).to_pylist()
    assert [(place >> FILE_BITS, place % (1 << FILE_BITS)) for place in places] == [(0, 1), (0, 2), (1, 1), (1, 2)]
