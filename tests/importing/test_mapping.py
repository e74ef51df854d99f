"""A mapping file does what it says, and says what is wrong with it all at once."""

from __future__ import annotations

import io
import math
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from daybreak.datasets import DELIVERED
from daybreak.errors import InputError
from daybreak.importing.csv_rows import STAND_IN, SeparatorStream
from daybreak.importing.importer import ImportOptions, import_data
from daybreak.importing.mapping import MAPPING
from tests.importing.sources import EVENTS_MAPPING, imported_by, landed, write

HEADER = "when,who,what,did\n"


def test_every_delivered_dataset_and_column_can_be_mapped():
    """The words of a mapping are those of the declarations."""
    assert set(MAPPING.model_fields) == {dataset.short_name for dataset in DELIVERED}
    for dataset in DELIVERED:
        section = MAPPING.model_fields[dataset.short_name].annotation.__args__[0]
        assert set(section.model_fields["columns"].annotation.model_fields) == set(dataset.column_names)


def test_all_problems_of_a_mapping_are_told_at_once(tmp_path):
    """Unknown keys, unknown targets, missing targets and wrong values in one sentence."""
    write(tmp_path / "data" / "events.csv", HEADER)
    mapping = """
events:
  path: "*.csv"
  seperator: ","
  encoding: klingon
  separator: '"'
  columns:
    event_ts: {column: when, timestamp: epoch}
    user_id: {column: who, value: x}
    ratng: stars
    item_id: what
    session_id: {column: visit, timestamp: iso}
orders: {}
users:
  encoding: hex
  columns:
    user_id: {column: who, prefiks: u}
    updated_ts: {column: since, timestamp: "%Q"}
    signup_ts: {column: since, scale: 1000}
"""
    with pytest.raises(InputError) as raised:
        imported_by(mapping, tmp_path / "data", tmp_path / "landing")
    for problem in (
        "there is no key 'seperator'",
        "no encoding 'klingon'",
        "no encoding 'hex'",
        "events.separator: must not hold quotes or line ends",
        "events.columns.session_id: 'timestamp' does nothing to a string: leave it out",
        "or a strptime format such as %d/%m/%Y, not '%Q'",
        "users.columns.signup_ts: 'scale' does nothing to a timestamp: leave it out",
        "must be iso, epoch_s",
        "either 'column' or 'value'",
        "no target column 'ratng', there are event_id, event_ts",
        "'event_type' is missing",
        "there is no key 'orders'",
        "users.columns.user_id: there is no key 'prefiks'",
    ):
        assert problem in str(raised.value)
    assert "\n" not in str(raised.value)


def test_scalars_are_the_text_that_was_typed(tmp_path):
    """NO is Norway, 007 keeps its zeros, and dates need no quotes."""
    write(tmp_path / "data" / "people.csv", "who\n1\n")
    mapping = """
users:
  path: people.csv
  columns:
    user_id: {column: who, prefix: 007-}
    country: {value: NO}
    updated_ts: {value: 2026-11-20}
"""
    imported_by(mapping, tmp_path / "data", tmp_path / "landing")
    assert landed(tmp_path / "landing", "users") == {
        "2026-11-20": [
            {"user_id": "007-1", "updated_ts": "2026-11-20T00:00:00.000000Z", "country": "NO", "status": "active"}
        ]
    }


def test_only_wanted_rows_are_imported(tmp_path):
    """Equality, lists and bounds; a null is never wanted; what is filtered out cannot stop the import."""
    rows = [
        "never,u1,i1,junk,9",
        "2026-11-20,u2,i1,view,3",
        "2026-11-20,u3,i1,view,8",
        "2026-11-20,u4,i1,cart,",
        "2026-11-20,u5,i1,cart,5",
    ]
    write(tmp_path / "data" / "events.csv", HEADER.strip() + ",stars\n" + "\n".join(rows) + "\n")
    mapping = EVENTS_MAPPING.replace(
        "  columns:", "  where: {did: [view, cart], stars: {at_least: 3, at_most: 5}}\n  columns:"
    )
    imported_by(mapping, tmp_path / "data", tmp_path / "landing")
    assert [row["user_id"] for row in landed(tmp_path / "landing", "events")["2026-11-20"]] == ["u2", "u5"]


def test_a_file_without_header_is_read_by_the_mapping_s(tmp_path):
    """`header` names the columns, `separator` splits them, `nulls` says what means nothing."""
    path = write(tmp_path / "clicks.txt", "2026-11-20|u1|i1|view\n2026-11-20|u2|-|view\n")
    mapping = EVENTS_MAPPING.replace(
        'path: "events.*"', 'separator: "|"\n  header: [when, who, what, did]\n  nulls: ["-"]'
    )
    imported_by(mapping, path, tmp_path / "landing")
    rows = landed(tmp_path / "landing", "events")["2026-11-20"]
    assert [row.get("item_id") for row in rows] == ["i1", None]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_the_usual_separators_are_found(tmp_path, separator):
    """The one that the header holds most of."""
    write(tmp_path / "data" / "events.csv", (HEADER + "2026-11-20,u1,i1,view\n").replace(",", separator))
    imported_by(EVENTS_MAPPING, tmp_path / "data", tmp_path / "landing")
    assert len(landed(tmp_path / "landing", "events")["2026-11-20"]) == 1


@pytest.mark.parametrize(
    ("separator", "written", "encoding"), [("\\t", "\t", "utf-8"), ("§", "§", "latin-1"), ("~|~", "~|~", "utf-8")]
)
def test_other_separators_are_named(tmp_path, separator, written, encoding):
    """A tab as people write it, a character outside of ASCII, and three at once."""
    write(tmp_path / "data" / "events.csv", (HEADER + "2026-11-20,u1,i1,view\n").replace(",", written), encoding)
    mapping = EVENTS_MAPPING.replace("columns:", f"separator: {separator}\n  encoding: {encoding}\n  columns:")
    imported_by(mapping, tmp_path / "data", tmp_path / "landing")
    assert len(landed(tmp_path / "landing", "events")["2026-11-20"]) == 1


@given(st.text("~|ab", max_size=60), st.sampled_from(["~|~", "~~", "~|"]), st.integers(3, 9))
def test_a_separator_is_found_wherever_a_file_is_cut(text, separator, size):
    """Reading a few bytes at a time gives what replacing in the whole text gives."""
    stream = SeparatorStream(io.BytesIO(text.encode()), separator.encode())
    read = b"".join(iter(lambda: stream.read(size), b""))
    assert read.decode() == text.replace(separator, STAND_IN)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_any_line_end_will_do(tmp_path, line_end):
    """Those of Unix, of Windows and of old Macs."""
    text = (HEADER + "2026-11-20,u1,i1,view\n2026-11-20,u2,i1,view\n").replace("\n", line_end)
    write(tmp_path / "data" / "events.csv", text)
    imported_by(EVENTS_MAPPING, tmp_path / "data", tmp_path / "landing")
    assert len(landed(tmp_path / "landing", "events")["2026-11-20"]) == 2


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("name", ["events.csv", "events.csv.gz"])
def test_encodings_are_found(tmp_path, encoding, name):
    """With or without marks, packed or not."""
    write(tmp_path / "data" / name, HEADER + "2026-11-20,zoë,i1,view\n", encoding)
    imported_by(EVENTS_MAPPING, tmp_path / "data", tmp_path / "landing")
    assert landed(tmp_path / "landing", "events")["2026-11-20"][0]["user_id"] == "zoë"


def test_an_encoding_that_cannot_be_told_from_latin_1_is_named(tmp_path):
    """The euro sign of Windows-1252."""
    write(tmp_path / "data" / "events.csv", HEADER + "2026-11-20,u1,5€,view\n", "cp1252")
    mapping = EVENTS_MAPPING.replace("  columns:", "  encoding: cp1252\n  columns:")
    imported_by(mapping, tmp_path / "data", tmp_path / "landing")
    assert landed(tmp_path / "landing", "events")["2026-11-20"][0]["item_id"] == "5€"


def test_many_files_of_several_kinds_are_one_dataset(tmp_path):
    """A glob may find CSV, JSON lines and Parquet; they are read in the order of their names."""
    write(tmp_path / "data" / "events.1", HEADER + "2026-11-20,u1,i1,view\n")
    write(tmp_path / "data" / "events.2", '{"when": "2026-11-20", "who": 2, "what": true, "did": "view"}\n')
    table = pa.table({"when": ["2026-11-20"], "who": [3.0], "what": [["a"]], "did": ["view"]})
    pq.write_table(table, tmp_path / "data" / "events.3")
    imported_by(EVENTS_MAPPING, tmp_path / "data", tmp_path / "landing")
    rows = landed(tmp_path / "landing", "events")["2026-11-20"]
    assert [(row["user_id"], row["item_id"]) for row in rows] == [("u1", "i1"), ("2", "true"), ("3", '["a"]')]


def test_whole_floats_of_parquet_are_ids_without_exponent(tmp_path):
    """Tools that hold nulls in floats turn the id 12345678901 into 12345678901.0, and so do their timestamps."""
    (tmp_path / "data").mkdir()
    columns = {"when": [1763640000.0] * 2, "who": [12345678901.0, None], "what": [7.0, 7.5], "did": ["view"] * 2}
    pq.write_table(pa.table(columns), tmp_path / "data" / "events.parquet")
    mapping = EVENTS_MAPPING.replace("event_ts: when", "event_ts: {column: when, timestamp: epoch_s}")
    imported_by(mapping, tmp_path / "data", tmp_path / "landing")
    rows = landed(tmp_path / "landing", "events")["2025-11-20"]
    assert [(row.get("user_id"), row["item_id"]) for row in rows] == [("12345678901", "7"), (None, "7.5")]


def test_nan_of_parquet_is_null(tmp_path):
    """Tools without a null for floats write NaN, and nobody is called nan; floats of 16 bits are floats."""
    (tmp_path / "data").mkdir()
    columns = {"when": ["2026-11-20"] * 2, "who": pa.array([7.0, math.nan], pa.float16()), "what": ["i"] * 2}
    pq.write_table(pa.table({**columns, "did": ["view"] * 2}), tmp_path / "data" / "events.parquet")
    imported_by(EVENTS_MAPPING, tmp_path / "data", tmp_path / "landing")
    assert [row.get("user_id") for row in landed(tmp_path / "landing", "events")["2026-11-20"]] == ["7", None]


def test_numbers_within_json_stay_numbers(tmp_path):
    """A list or an object goes on as JSON, with its numbers as they were written."""
    write(
        tmp_path / "data" / "events.1", '{"when": "2026-11-20", "who": 7, "what": [1, 2.50, {"a": "1"}], "did": "x"}\n'
    )
    imported_by(EVENTS_MAPPING, tmp_path / "data", tmp_path / "landing")
    row = landed(tmp_path / "landing", "events")["2026-11-20"][0]
    assert (row["user_id"], row["item_id"]) == ("7", '[1, 2.50, {"a": "1"}]')


def test_the_example_of_the_documentation_works(tmp_path):
    """The mapping printed in docs/bring-your-data.md imports files with the columns it names."""
    page = (Path(__file__).parents[2] / "docs" / "bring-your-data.md").read_text(encoding="utf-8")
    mapping = page.split("```yaml\n")[1].split("```")[0]
    shop = tmp_path / "shop"
    write(shop / "clicks" / "2026-11.csv", "ts,visitor,product,action,amount\n1763640000,7,a1,buy,1250\n")
    write(shop / "products.csv", "sku;name;group;cents\na1;Lamp;light;1250\n")
    write(shop / "visitors.csv", "id,since,land\n7,20.11.2025,NO\n")
    imported_by(mapping, shop, tmp_path / "landing")
    event = landed(tmp_path / "landing", "events")["2025-11-20"][0]
    assert (event["user_id"], event["event_type"], event["price"]) == ("u7", "purchase", 12.5)
    assert landed(tmp_path / "landing", "items")["2025-11-20"][0]["title"] == "Lamp"
    assert landed(tmp_path / "landing", "users")["2025-11-20"][0]["signup_ts"] == "2025-11-20T00:00:00.000000Z"


def test_json_lines_may_leave_out_what_is_null(tmp_path):
    """A column that occurs in some row of some file is there, and null elsewhere."""
    write(tmp_path / "data" / "events.1", '{"when": "2026-11-20", "who": "u1", "did": "view"}\n')
    write(tmp_path / "data" / "events.2", '{"when": "2026-11-20", "who": "u2", "did": "view", "what": "i2"}\n')
    imported_by(EVENTS_MAPPING, tmp_path / "data", tmp_path / "landing")
    rows = landed(tmp_path / "landing", "events")["2026-11-20"]
    assert [(row["user_id"], row.get("item_id")) for row in rows] == [("u1", None), ("u2", "i2")]


def test_rows_with_a_time_of_their_own_are_delivered_on_that_day(tmp_path):
    """Users and items that say when they changed lie in that day; ties without a time on the first event day."""
    write(tmp_path / "data" / "events.csv", HEADER + "2026-11-20,u1,i1,view\n2026-11-19,u1,i1,view\n")
    write(tmp_path / "data" / "users.csv", "id,changed\nu1,1763800000\nu2,1763900000\n")
    write(tmp_path / "data" / "follows.csv", "a,b\nu1,u2\n")
    mapping = (
        EVENTS_MAPPING
        + """
users:
  path: users.csv
  columns: {user_id: id, updated_ts: {column: changed, timestamp: epoch_s}}
edges:
  path: follows.csv
  columns: {src_user_id: a, dst_user_id: b, edge_type: {value: follow}, status: {value: active}}
"""
    )
    imported_by(mapping, tmp_path / "data", tmp_path / "landing")
    assert {day: len(rows) for day, rows in landed(tmp_path / "landing", "users").items()} == {
        "2025-11-22": 1,
        "2025-11-23": 1,
    }
    assert landed(tmp_path / "landing", "edges")["2026-11-19"][0]["updated_ts"] == "2026-11-19T00:00:00.000000Z"


def test_dirty_rows_go_on_to_landing(tmp_path):
    """Null ids, unknown event types, text for numbers and unreadable secondary times are not the import's to judge."""
    write(tmp_path / "data" / "events.csv", HEADER.strip() + ",stars\n2026-11-20,,i1,dance,many\n")
    write(tmp_path / "data" / "users.csv", "id,joined\nu1,long ago\n")
    mapping = (
        EVENTS_MAPPING + "    rating: stars\nusers: {path: users.csv, columns: {user_id: id, signup_ts: joined}}\n"
    )
    imported_by(mapping, tmp_path / "data", tmp_path / "landing")
    row = landed(tmp_path / "landing", "events")["2026-11-20"][0]
    assert "user_id" not in row
    assert (row["event_type"], row["rating"]) == ("dance", "many")
    assert landed(tmp_path / "landing", "users")["2026-11-20"][0]["signup_ts"] == "long ago"


def test_a_mapping_and_a_format_contradict(tmp_path):
    """Both at once is a question, not a guess."""
    write(tmp_path / "m.yaml", EVENTS_MAPPING)
    with pytest.raises(InputError, match="leave out --format ml-1m"):
        import_data(tmp_path, tmp_path / "landing", ImportOptions("ml-1m", tmp_path / "m.yaml"))
