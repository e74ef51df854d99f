"""Every input that cannot be imported is one sentence that names the file, and leaves the landing as it was."""

from __future__ import annotations

import gzip
import re

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from daybreak.errors import InputError
from daybreak.importing.importer import ImportOptions, import_data
from tests.importing.sources import EVENTS_MAPPING, imported_by, landed, tree, write

HEADER = "when,who,what,did\n"
GOOD = "2026-11-20,u1,i1,view\n"


def refused(tmp_path, content: str | bytes, mapping: str = EVENTS_MAPPING, name: str = "events.csv") -> str:
    """The sentence with which an import of that file is refused."""
    path = tmp_path / "data" / name
    path.parent.mkdir()
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InputError) as raised:
        imported_by(mapping, tmp_path / "data", tmp_path / "landing")
    assert "\n" not in str(raised.value)
    assert not (tmp_path / "landing").exists()
    assert not list(tmp_path.glob(".landing-import-*/"))
    return str(raised.value)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", r"events\.csv is empty"),
        (HEADER, r"no row is left to import of .*events\.csv"),
        ("when,who,what,did", r"no row is left to import of .*events\.csv"),
        ("\n" + HEADER + GOOD, r"events\.csv begins with an empty line"),
        ("when,when,what,did\n" + GOOD, r"events\.csv has two columns named 'when'"),
        ("when,who,item,did\n" + GOOD, r"no column 'what'; its columns are 'when', 'who', 'item', 'did'"),
        ("time,who,item,did\n" + GOOD, r"no column 'when', 'what'; its columns are"),
        ("when/who/what/did\n", r"its columns are 'when/who/what/did': name the separator"),
        (HEADER + GOOD + "2026-11-20;u2;i1;view\n", r"row 2: expected 4 columns separated by ',', found 1 in '2026"),
        (HEADER + GOOD + GOOD.replace("view", "view,more"), r"row 2: expected 4 columns .*, found 5"),
        (HEADER + GOOD + "yesterday,u1,i1,view\n", r"row 2: events.event_ts must be an ISO 8601 .*found 'yesterday'"),
        (HEADER + GOOD + "1763640000,u1,i1,view\n", r"row 2: .*found '1763640000'; correct it or 'timestamp'"),
        (HEADER + GOOD + ",u1,i1,view\n", r"row 2: events.event_ts has no value.*--skip-unplaceable"),
        (HEADER + GOOD + '"2026-11-20,u1,i1,view\n', r"events\.csv, row 2"),
        ("x" * 200_000, r"events\.csv does not begin with a header"),
        (gzip.compress((HEADER + GOOD * 1000).encode())[:-20], r"events\.csv is a broken gzip file"),
        (b"PK\x03\x04rest", r"events\.csv is a zip archive: unpack it"),
        (b"PAR1not really", r"events\.csv cannot be read as Parquet"),
        (
            '{"when": "2026-11-20"\n',
            r"events\.csv, row 1: expected one JSON object a line, .*; write each row on its own",
        ),
        ('[\n{"when": "2026-11-20"}]', r"events\.csv, row 1: expected one JSON object a line, found '\[\\n'"),
        ('{"who": ' + "[" * 100_000, r"events\.csv, row 1: expected one JSON object a line"),
        (
            '{"when": "2026-11-20", "who": 1}\n{"when": "2026-11-20", "who": "\\udc00"}',
            r"events\.csv, row 2: column 'who' holds half of a surrogate pair",
        ),
        (
            '{"when": "2026-11-20", "who": 1, "did": 1}\n[1]\n',
            r"events\.csv, row 2: expected one JSON object a line, found '\[1",
        ),
        ('{"when": "2026-11-20", "who": 1, "did": 1}\n', r"no column 'what'; its columns are 'when', 'who', 'did'"),
    ],
)
def test_a_file_that_cannot_be_used_is_refused(tmp_path, content, says):
    """The sentence names the file, the row where there is one, and what was found."""
    assert re.search(says, refused(tmp_path, content))


@pytest.mark.parametrize(
    ("mapping", "says"),
    [
        ("events: [", r"mapping\.yaml cannot be read as YAML"),
        ("- events", r"must hold sections such as 'events:'"),
        ("{}", r"names no dataset; write a section for at least one of events, users, items, edges"),
        (EVENTS_MAPPING.replace("events.*", "clicks*"), r"events\.path 'clicks\*' .* matches no file in"),
        (EVENTS_MAPPING.replace('path: "events.*"', "format: csv"), r"does not say which files of .* are events"),
        (EVENTS_MAPPING.replace("columns:", "where: {did: buy}\n  columns:"), r"no row is left .*'where'"),
        (EVENTS_MAPPING.replace("columns:", "where: {stars: '5'}\n  columns:"), r"no column 'stars'"),
        (EVENTS_MAPPING.replace("columns:", "format: parquet\n  columns:"), r"cannot be read as Parquet"),
        (EVENTS_MAPPING.replace('"events.*"', '""'), r"events\.path '' .* is no glob of files .*clicks/\*\.csv"),
        (EVENTS_MAPPING.replace("events.*", "**x"), r"events\.path '\*\*x' .* is no glob of files"),
        (EVENTS_MAPPING + "    item_id: did\n", r"cannot be read as YAML: 'item_id' stands there twice .*line 5"),
        (
            EVENTS_MAPPING.replace("columns:", "header: [when, who, what, did, who]\n  columns:"),
            r"events\.csv has two columns named 'who'",
        ),
        ("users: {path: 'e*', columns: {user_id: who}}", r"users have no updated_ts .*: map users\.updated_ts"),
    ],
)
def test_a_mapping_that_cannot_be_used_is_refused(tmp_path, mapping, says):
    """The sentence names the mapping or its key, and what to do."""
    assert re.search(says, refused(tmp_path, HEADER + GOOD, mapping))


@pytest.mark.parametrize(
    ("column", "values", "says"),
    [
        ("who", pa.array([b"\xff"]), r"column 'who' of type binary cannot be read as text .*; write it as"),
        ("what", pa.array(["a"]), r"events\.parquet has two columns named 'what'"),
    ],
)
def test_a_parquet_file_that_cannot_be_used_is_refused(tmp_path, column, values, says):
    """Bytes that are no text, and a name that two columns have."""
    columns = {name: pa.array(["2026-11-20"]) for name in ("when", "who", "what", "did")}
    pairs = [*((name, array) for name, array in columns.items() if name != "who"), ("who", columns["who"])]
    pairs = [*pairs[:3], (column, values), *([("who", columns["who"])] if column != "who" else [])]
    table = pa.Table.from_arrays([array for _, array in pairs], names=[name for name, _ in pairs])
    written = pa.BufferOutputStream()
    pq.write_table(table, written)
    assert re.search(says, refused(tmp_path, written.getvalue().to_pybytes(), name="events.parquet"))


def test_rows_without_a_day_can_be_left_out_and_are_counted(tmp_path):
    """--skip-unplaceable imports the others."""
    write(tmp_path / "data" / "events.csv", HEADER + "never,u1,i1,view\n" + GOOD + ",u1,i1,view\n")
    summary = imported_by(EVENTS_MAPPING, tmp_path / "data", tmp_path / "landing", skip_unplaceable=True)
    assert (summary.datasets[0].rows, summary.datasets[0].skipped) == (1, 2)
    assert len(landed(tmp_path / "landing", "events")["2026-11-20"]) == 1


def test_a_path_that_is_not_there_is_refused(tmp_path):
    """Before anything is written."""
    with pytest.raises(InputError, match=r"there is nothing at .*gone"):
        import_data(tmp_path / "gone", tmp_path / "landing", ImportOptions())


def test_a_folder_of_no_known_format_says_what_was_looked_for(tmp_path):
    """All rating files that would have been recognised."""
    (tmp_path / "data").mkdir()
    with pytest.raises(InputError, match=r"looked for u\.data \(ml-100k\).*ratings\*\.dat.*ratings\.csv.*--mapping"):
        import_data(tmp_path / "data", tmp_path / "landing", ImportOptions())


def test_a_file_without_a_mapping_is_refused(tmp_path):
    """Only folders are recognised by themselves."""
    with pytest.raises(InputError, match="--mapping"):
        import_data(write(tmp_path / "x.csv", HEADER), tmp_path / "landing", ImportOptions())


def test_an_unknown_format_is_refused(tmp_path):
    """The formats that there are stand in the sentence."""
    with pytest.raises(InputError, match="no format 'ml-2m'; there are auto, ml-100k, ml-1m, ml-latest"):
        import_data(tmp_path, tmp_path / "landing", ImportOptions("ml-2m"))


def test_a_late_fault_leaves_the_landing_as_it_was(tmp_path):
    """A bad row at the very end of the last dataset undoes the whole import."""
    write(tmp_path / "data" / "events.csv", HEADER + GOOD)
    imported_by(EVENTS_MAPPING, tmp_path / "data", tmp_path / "landing")
    before = tree(tmp_path / "landing")
    write(tmp_path / "data" / "events.csv", HEADER + GOOD.replace("20,", "21,"))
    write(tmp_path / "data" / "items.csv", "id,name,t\ni1,One,2026-11-20\ni2,Two,later\n")
    items = "items: {path: items.csv, columns: {item_id: id, title: name, updated_ts: t}}\n"
    with pytest.raises(InputError, match=r"items\.csv, row 2: items\.updated_ts"):
        imported_by(EVENTS_MAPPING + items, tmp_path / "data", tmp_path / "landing")
    assert tree(tmp_path / "landing") == before
