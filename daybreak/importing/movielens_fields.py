"""What MovieLens says of films and people, in our words: category, description and segment, value by value."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

Texts = Sequence[str | None]

GENRES_100K = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary", "Drama", "Fantasy",
    "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi", "Thriller", "War", "Western",
)  # fmt: skip
"""The order of the genre flags in u.item."""

OCCUPATIONS_1M = (
    "other", "academic/educator", "artist", "clerical/admin", "college/grad student", "customer service",
    "doctor/health care", "executive/managerial", "farmer", "homemaker", "K-12 student", "lawyer", "programmer",
    "retired", "sales/marketing", "scientist", "self-employed", "technician/engineer", "tradesman/craftsman",
    "unemployed", "writer",
)  # fmt: skip
"""The occupations that users.dat numbers."""

AGE_BANDS = ((56, "56+"), (50, "50-55"), (45, "45-49"), (35, "35-44"), (25, "25-34"), (18, "18-24"), (0, "under 18"))
"""MovieLens 1M tells only these bands, by their lower end; the same for all keeps segments comparable."""

NO_OCCUPATION = ("", "none", "other")
NO_GENRE = "(no genres listed)"
YEAR_IN_TITLE = re.compile(r"\((\d{4})\)\s*$")
YEAR = re.compile(r"\d{4}")


def split_genres(separator: str) -> Callable[[str | None], list[str]]:
    """Genres in one column: `Animation|Comedy`, or with another separator."""
    return lambda text: [genre for genre in (text or "").split(separator) if genre and genre != NO_GENRE]


def first_genres(genres: Sequence[list[str]]) -> list[str | None]:
    return [names[0] if names else None for names in genres]


def descriptions(genres: Sequence[list[str]], years: Texts) -> list[str | None]:
    """All genres and the year of release: `Animation, Comedy. Released in 1995.`"""
    return [_description(names, year) for names, year in zip(genres, years, strict=True)]


def years_of_titles(titles: Texts) -> list[str | None]:
    """The year in brackets at the end of a title."""
    return [match.group(1) if (match := YEAR_IN_TITLE.search(title or "")) else None for title in titles]


def years_of_dates(dates: Texts) -> list[str | None]:
    """The year in a date such as 01-Jan-1995, or a year alone."""
    return [match.group() if (match := YEAR.search(date or "")) else None for date in dates]


def flagged_genres(*flags: Texts) -> list[list[str]]:
    """Genres of u.item: one column of 0 and 1 for each."""
    return [
        [genre for genre, flag in zip(GENRES_100K, row, strict=True) if flag == "1"] for row in zip(*flags, strict=True)
    ]


def segments(occupations: Texts, ages: Texts) -> list[str | None]:
    """The occupation, as a group large enough for a fallback; the age band where there is none."""
    return [
        age_band(age) if (occupation or "") in NO_OCCUPATION else occupation
        for occupation, age in zip(occupations, ages, strict=True)
    ]


def numbered_segments(numbers: Texts, ages: Texts) -> list[str | None]:
    """The same for MovieLens 1M, which numbers occupations."""
    return segments([_occupation(number) for number in numbers], ages)


def age_band(age: str | None) -> str | None:
    if age is None or not age.isdigit():
        return None
    return next(band for low, band in AGE_BANDS if int(age) >= low)


def _occupation(number: str | None) -> str | None:
    if number is None or not number.isdigit() or int(number) >= len(OCCUPATIONS_1M):
        return None
    return OCCUPATIONS_1M[int(number)]


def _description(genres: list[str], year: str | None) -> str | None:
    parts = [", ".join(genres)] if genres else []
    parts += [f"Released in {year}"] if year else []
    return ". ".join(parts) + "." if parts else None
