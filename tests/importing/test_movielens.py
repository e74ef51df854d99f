"""MovieLens folders are recognised by what they hold and become deliveries."""

from __future__ import annotations

import pytest

from daybreak.errors import InputError
from daybreak.importing.importer import ImportOptions, import_data
from daybreak.importing.movielens_fields import age_band
from tests.importing.sources import (
    landed,
    movielens_1m,
    movielens_100k,
    movielens_atomic,
    movielens_latest,
    tree,
    write,
)

AUTO = ImportOptions()


def test_the_original_100k_lands_ratings_on_their_days_and_the_rest_on_the_first(tmp_path):
    """u.data, u.item and u.user become events, items and users."""
    summary = import_data(movielens_100k(tmp_path / "ml"), tmp_path / "landing", AUTO)
    events = landed(tmp_path / "landing", "events")
    assert {day: len(rows) for day, rows in events.items()} == {"1997-12-04": 2, "1997-12-05": 1}
    first = events["1997-12-04"][0]
    assert len(first.pop("event_id")) == 32
    assert first == {
        "event_ts": "1997-12-04T15:55:49.000000Z",
        "user_id": "196",
        "item_id": "242",
        "event_type": "rating",
        "rating": 3,
    }
    assert landed(tmp_path / "landing", "items")["1997-12-04"][0] == {
        "item_id": "1",
        "updated_ts": "1997-12-04T00:00:00.000000Z",
        "title": "Misérables, Les (1995)",
        "category": "Comedy",
        "description": "Comedy, Drama. Released in 1995.",
        "status": "active",
    }
    people = landed(tmp_path / "landing", "users")["1997-12-04"]
    assert [(row["user_id"], row["segment"]) for row in people] == [("196", "writer"), ("22", "25-34")]
    assert (summary.format, summary.users, summary.items, summary.last_day) == ("ml-100k", 2, 2, "1997-12-05")
    assert summary.next_command == "daybreak nightly --ds 1997-12-05"


def test_the_encoding_that_was_found_is_told(tmp_path):
    """Text that is not valid UTF-8 is read as latin-1, and the summary says so for that file."""
    summary = import_data(movielens_100k(tmp_path / "ml"), tmp_path / "landing", AUTO)
    assert summary.encodings[str(tmp_path / "ml" / "u.item")] == "latin-1"
    assert summary.encodings[str(tmp_path / "ml" / "u.data")] == "utf-8"


def test_atomic_files_are_read_by_their_typed_headers(tmp_path):
    """.inter, .item and .user files carry types in their headers; genres are separated by spaces."""
    summary = import_data(movielens_atomic(tmp_path / "ml"), tmp_path / "landing", AUTO)
    film = landed(tmp_path / "landing", "items")["1997-12-04"][0]
    assert (film["title"], film["category"]) == ("Toy Story", "Animation")
    assert film["description"] == "Animation, Children's, Comedy. Released in 1995."
    assert [(part.name, part.rows) for part in summary.datasets] == [("events", 2), ("users", 1), ("items", 2)]


def test_1m_is_read_packed_and_with_its_two_letter_separator(tmp_path):
    """ratings*.dat.gz and movies.dat are split at '::', single colons stay, numbered occupations get their names."""
    summary = import_data(movielens_1m(tmp_path / "ml"), tmp_path / "landing", AUTO)
    assert summary.format == "ml-1m"
    assert list(landed(tmp_path / "landing", "events")) == ["2000-12-31", "2001-01-01"]
    assert landed(tmp_path / "landing", "items")["2000-12-31"][0]["title"] == "Café: au Lait (1993)"
    assert [row["segment"] for row in landed(tmp_path / "landing", "users")["2000-12-31"]] == ["K-12 student", "56+"]


def test_latest_has_no_people_and_says_so(tmp_path):
    """ratings.csv and movies.csv: quoted titles, half stars, films without genres."""
    summary = import_data(movielens_latest(tmp_path / "ml"), tmp_path / "landing", AUTO)
    assert [part.name for part in summary.datasets] == ["events", "items"]
    assert "no file of users" in summary.notes[0]
    films = landed(tmp_path / "landing", "items")["2009-12-14"]
    assert films[0]["title"] == "Minds, Dangerous (1995)"
    assert films[2] == {"item_id": "5", "updated_ts": films[0]["updated_ts"], "title": "Nameless", "status": "active"}
    assert landed(tmp_path / "landing", "events")["2009-12-14"][0]["rating"] == 2.5


def test_a_folder_without_films_lands_its_ratings_with_a_note(tmp_path):
    """Only ratings must be there."""
    (movielens_100k(tmp_path / "ml") / "u.item").unlink()
    summary = import_data(tmp_path / "ml", tmp_path / "landing", AUTO)
    assert summary.notes == ("there is no u.item: no items are delivered",)


@pytest.mark.parametrize("make", [movielens_100k, movielens_atomic, movielens_1m, movielens_latest])
def test_the_same_folder_gives_the_same_bytes(tmp_path, make):
    """Two imports of one folder are equal byte for byte; a second into the same landing changes nothing."""
    folder = make(tmp_path / "ml")
    import_data(folder, tmp_path / "a" / "landing", AUTO)
    import_data(folder, tmp_path / "b" / "landing", AUTO)
    before = tree(tmp_path / "a" / "landing")
    assert before == tree(tmp_path / "b" / "landing")
    again = import_data(folder, tmp_path / "a" / "landing", AUTO)
    assert (again.new_days, again.replaced_days) == (0, 0)
    assert again.unchanged_days == len(before)
    assert tree(tmp_path / "a" / "landing") == before


def test_equal_ratings_get_equal_ids(tmp_path):
    """A row that is there twice keeps one id, so that landing finds the duplicate."""
    write(tmp_path / "ml" / "u.data", "1\t2\t3\t881250949\n1\t2\t3\t881250949\n1\t2\t4\t881250949\n")
    import_data(tmp_path / "ml", tmp_path / "landing", AUTO)
    first, second, third = (row["event_id"] for row in landed(tmp_path / "landing", "events")["1997-12-04"])
    assert first == second != third


def test_two_formats_in_one_folder_ask_for_a_choice(tmp_path):
    """What is ambiguous is not guessed; --format decides."""
    movielens_latest(movielens_100k(tmp_path / "ml"))
    with pytest.raises(InputError, match=r"several formats \(ml-100k, ml-latest\).*--format"):
        import_data(tmp_path / "ml", tmp_path / "landing", AUTO)
    assert import_data(tmp_path / "ml", tmp_path / "landing", ImportOptions("ml-latest")).format == "ml-latest"


@pytest.mark.parametrize(
    ("age", "band"), [("1", "under 18"), ("18", "18-24"), ("49", "45-49"), ("56", "56+"), ("?", None), (None, None)]
)
def test_ages_fall_into_the_bands_of_1m(age, band):
    """Ages and the codes of MovieLens 1M give the same bands."""
    assert age_band(age) == band
