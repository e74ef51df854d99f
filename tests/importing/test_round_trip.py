"""Whatever the table and however it is written, the landing says the same rows, each in the day it happened."""

from __future__ import annotations

import csv
import json
import tempfile
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.importing.sources import imported_by, landed

MAPPING = """
events:
  path: "events.*"
  columns:
    event_id: {column: id, prefix: e}
    event_ts: {column: when, timestamp: FORMAT}
    user_id: {column: who, prefix: u}
    item_id: what
    event_type: {column: did, values: {click: view, buy: purchase}}
    price: {column: cents, scale: 0.01}
    position: place
    surface: {value: shop}
"""

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=12)
ROW = st.fixed_dictionaries(
    {
        "id": st.integers(0, 10**15),
        "when": st.datetimes(datetime(2001, 1, 1), datetime(2001, 1, 6)),  # noqa: DTZ001 (naive means UTC here)
        "who": TEXT,
        "what": TEXT | st.sampled_from(['"quoted"', "a,b", "a;b\tc", "back\\slash", "two\nlines", "NA"]),
        "did": st.sampled_from(["click", "buy", "rating", "odd"]),
        "cents": st.none() | st.integers(0, 10**9),
        "place": st.none() | st.integers(0, 10_000),
    }
)
DID = {"click": "view", "buy": "purchase"}


def written_csv(folder: Path, rows: list[dict]) -> str:
    with (folder / "events.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, rows[0], lineterminator="\n")
        writer.writeheader()
        writer.writerows({**row, "when": row["when"].isoformat()} for row in rows)
    return "iso"


def written_json(folder: Path, rows: list[dict]) -> str:
    plain = [{**row, "when": row["when"].strftime("%d.%m.%Y %H:%M:%S.%f")} for row in rows]
    told = [plain[0], *({k: v for k, v in row.items() if v is not None} for row in plain[1:])]
    text = "\n\n".join(json.dumps(row) for row in told)
    (folder / "events.jsonl").write_text(text, encoding="utf-8")
    return '"%d.%m.%Y %H:%M:%S.%f"'


def written_parquet(folder: Path, rows: list[dict]) -> str:
    columns = {"cents": pa.int64(), "place": pa.float64()}
    table = pa.table({name: pa.array([row[name] for row in rows], columns.get(name)) for name in rows[0]})
    pq.write_table(table, folder / "events.parquet", row_group_size=7)
    return "iso"


def expected(rows: list[dict]) -> dict[str, list[dict]]:
    days: dict[str, list[dict]] = {}
    for row in rows:
        said = {
            "event_id": f"e{row['id']}",
            "event_ts": row["when"].strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "user_id": f"u{row['who']}",
            "item_id": row["what"],
            "event_type": DID.get(row["did"], row["did"]),
            "surface": "shop",
            "position": row["place"],
            "price": None if row["cents"] is None else row["cents"] * 0.01,
        }
        days.setdefault(row["when"].date().isoformat(), []).append({k: v for k, v in said.items() if v is not None})
    return dict(sorted(days.items()))


@pytest.mark.parametrize("write", [written_csv, written_json, written_parquet])
def test_rows_come_back_whole_and_in_order(write):
    """A random table, written in each format and imported by a mapping, is found again in the landing."""

    @settings(deadline=None, max_examples=40)
    @given(st.lists(ROW, min_size=1, max_size=20))
    def holds(rows):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name) / "data"
            folder.mkdir()
            mapping = MAPPING.replace("FORMAT", write(folder, rows))
            summary = imported_by(mapping, folder, Path(name) / "landing")
            assert landed(Path(name) / "landing", "events") == expected(rows)
            assert summary.datasets[0].rows == len(rows)
            assert summary.users == len({row["who"] for row in rows})

    holds()
