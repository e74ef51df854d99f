"""The MovieLens folders: which files tell one from another, and what their columns become.

Every rating becomes an event of type `rating` at the time it was given, on MovieLens' own scale. Films and people have
no time of their own, so they are delivered on the first day of the ratings.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from daybreak.datasets import EVENTS, ITEMS, USERS
from daybreak.errors import InputError
from daybreak.importing.column_rules import ColumnRule, ComputedColumn, Rule
from daybreak.importing.movielens_fields import (
    GENRES_100K,
    descriptions,
    first_genres,
    flagged_genres,
    numbered_segments,
    segments,
    split_genres,
    years_of_dates,
    years_of_titles,
)
from daybreak.importing.sources import FileForm, ImportPlan, Source, files_matching, look_into

Rules = dict[str, Rule]
ACTIVE: Rules = {"status": ColumnRule(value="active")}


@dataclass(frozen=True)
class Table:
    """One table of a layout: its files, how they are written, and what their columns become."""

    pattern: str
    form: FileForm
    rules: Rules


@dataclass(frozen=True)
class Layout:
    """One way in which MovieLens comes as a folder. Ratings must be there; films and people may be missing."""

    format: str
    ratings: Table
    films: Table
    people: Table | None = None

    def plan(self, folder: Path) -> ImportPlan | None:
        """What an import of the folder reads; None where the folder has no ratings of this layout."""
        sources, missing = [], []
        for dataset, table in ((EVENTS, self.ratings), (USERS, self.people), (ITEMS, self.films)):
            if table is None:
                missing.append(f"{self.format} has no file of {dataset.short_name}: none are delivered")
            elif files := _files(folder, table.pattern):
                forms = tuple(look_into(path, table.form) for path in files)
                sources.append(Source(dataset, forms, table.rules))
            elif dataset is EVENTS:
                return None
            else:
                missing.append(f"there is no {table.pattern}: no {dataset.short_name} are delivered")
        return ImportPlan(self.format, tuple(sources), tuple(missing))


def plan_movielens(folder: Path, wanted: str) -> ImportPlan:
    """Recognises a MovieLens folder by its rating files; `wanted` is one format's name, or auto."""
    if not folder.is_dir():
        raise InputError(
            f"{folder} is a file, and only folders are recognised by themselves: unpack an archive first, "
            "and for a CSV, JSON lines or Parquet file pass --mapping"
        )
    layouts = [layout for layout in LAYOUTS if wanted in ("auto", layout.format)]
    plans = [plan for layout in layouts if (plan := layout.plan(folder)) is not None]
    if not plans:
        looked_for = "; ".join(f"{layout.ratings.pattern} ({layout.format})" for layout in layouts)
        raise InputError(
            f"{folder} holds no ratings of a known format; looked for {looked_for}: "
            "check the folder, or pass --mapping for any CSV, JSON lines or Parquet"
        )
    formats = list(dict.fromkeys(plan.format for plan in plans))
    if len(formats) > 1:
        raise InputError(f"{folder} holds ratings of several formats ({', '.join(formats)}): choose one with --format")
    return plans[0]


def _files(folder: Path, pattern: str) -> list[Path]:
    """The files of a pattern, packed or not; where a file is there in both ways, the unpacked one."""
    found = [*files_matching(folder, f"{pattern}.gz"), *files_matching(folder, pattern)]
    return sorted({path.name.removesuffix(".gz"): path for path in found}.values())


def _ratings(user: str, item: str, rating: str, time: str) -> Rules:
    return {
        "event_ts": ColumnRule(column=time, timestamp="epoch_s"),
        "user_id": ColumnRule(column=user),
        "item_id": ColumnRule(column=item),
        "event_type": ColumnRule(value="rating"),
        "rating": ColumnRule(column=rating),
    }


def _films(item: str, title: str, genres: str, separator: str, year: str | None = None) -> Rules:
    """Films whose genres stand in one column; the year of release in its own, or at the end of the title."""
    split = split_genres(separator)
    years = years_of_dates if year else years_of_titles
    return ACTIVE | {
        "item_id": ColumnRule(column=item),
        "title": ColumnRule(column=title),
        "category": ComputedColumn((genres,), lambda texts: first_genres([split(text) for text in texts])),
        "description": ComputedColumn(
            (genres, year or title), lambda texts, dates: descriptions([split(text) for text in texts], years(dates))
        ),
    }


def _flagged_films() -> Rules:
    return ACTIVE | {
        "item_id": ColumnRule(column="movie id"),
        "title": ColumnRule(column="movie title"),
        "category": ComputedColumn(GENRES_100K, lambda *flags: first_genres(flagged_genres(*flags))),
        "description": ComputedColumn(
            ("release date", *GENRES_100K),
            lambda dates, *flags: descriptions(flagged_genres(*flags), years_of_dates(dates)),
        ),
    }


def _people(user: str, occupation: str, age: str, compute: Callable[..., list[str | None]] = segments) -> Rules:
    return ACTIVE | {"user_id": ColumnRule(column=user), "segment": ComputedColumn((occupation, age), compute)}


def _separated(separator: str, *header: str) -> FileForm:
    return FileForm("csv", separator=separator, header=header or None, quoted=False)


COMMA = FileForm("csv", separator=",")
FILM_COLUMNS_100K = ("movie id", "movie title", "release date", "video release date", "IMDb URL", *GENRES_100K)

LAYOUTS = (
    Layout(
        "ml-100k",
        ratings=Table(
            "u.data", _separated("\t", "user", "item", "rating", "time"), _ratings("user", "item", "rating", "time")
        ),
        films=Table("u.item", _separated("|", *FILM_COLUMNS_100K), _flagged_films()),
        people=Table(
            "u.user",
            _separated("|", "user", "age", "gender", "occupation", "zip"),
            _people("user", "occupation", "age"),
        ),
    ),
    Layout(
        "ml-100k",
        ratings=Table(
            "*.inter", _separated("\t"), _ratings("user_id:token", "item_id:token", "rating:float", "timestamp:float")
        ),
        films=Table(
            "*.item",
            _separated("\t"),
            _films("item_id:token", "movie_title:token_seq", "class:token_seq", " ", "release_year:token"),
        ),
        people=Table("*.user", _separated("\t"), _people("user_id:token", "occupation:token", "age:token")),
    ),
    Layout(
        "ml-1m",
        ratings=Table(
            "ratings*.dat",
            _separated("::", "user", "item", "rating", "time"),
            _ratings("user", "item", "rating", "time"),
        ),
        films=Table("movies.dat", _separated("::", "item", "title", "genres"), _films("item", "title", "genres", "|")),
        people=Table(
            "users.dat",
            _separated("::", "user", "gender", "age", "occupation", "zip"),
            _people("user", "occupation", "age", numbered_segments),
        ),
    ),
    Layout(
        "ml-latest",
        ratings=Table("ratings.csv", COMMA, _ratings("userId", "movieId", "rating", "timestamp")),
        films=Table("movies.csv", COMMA, _films("movieId", "title", "genres", "|")),
    ),
)

FORMATS = ("auto", *dict.fromkeys(layout.format for layout in LAYOUTS))
