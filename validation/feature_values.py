"""What DuckDB finds in the rows of a feature view, straight from their files, in bounded memory.

Counts and extremes are taken over all rows. What needs the values side by side (quantiles, different values, the most
frequent) is taken from all rows of a small view and from a sample of a large one: the entities whose keys hash below a
bound, so the same rows give the same sample in whatever order they lie.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from daybreak import duckdb_files
from daybreak.contracts import ColumnType
from daybreak.duckdb_files import quoted
from daybreak.features.as_of import AVAILABLE_TS, EVENT_TS
from daybreak.features.declaration import Feature, FeatureView
from daybreak.features.statistics import BINS, LISTS, MOST_FREQUENT, NUMBERS, WORDS

Found = dict[str, Any]
HASHES = 1 << 64

BINNED = f"""
    SELECT CASE WHEN $high > $low THEN least({BINS - 1}, greatest(0, floor({BINS} * ((value - $low) / ($high - $low)))))
           ELSE 0 END::INTEGER AS bin, count(*)
    FROM numbers GROUP BY bin
"""


@dataclass(frozen=True)
class ViewFiles:
    """The files of a view that matter on a night: of a nightly view those of its newest night, of states all."""

    newest_night: str | None
    paths: Sequence[str]
    are_of_tonight: bool


class ViewRows:
    """The rows of a view on a night: `population`, and of it `looked_at`, all or a sample."""

    def __init__(self, view: FeatureView, files: ViewFiles, engine: duckdb.DuckDBPyConnection) -> None:
        self._view = view
        self._engine = engine
        engine.execute(f"CREATE TEMP VIEW stored AS FROM {duckdb_files.rows_of(engine, view.dataset, files.paths)}")
        if view.nightly:
            engine.execute(f"CREATE TEMP VIEW population AS SELECT * FROM stored WHERE {files.are_of_tonight}")
        else:
            order = f"PARTITION BY {self._keys} ORDER BY {EVENT_TS} DESC, {AVAILABLE_TS} DESC"
            newest = f"QUALIFY row_number() OVER ({order}) = 1"
            engine.execute(f"CREATE TEMP TABLE population AS SELECT * FROM stored {newest}")

    @property
    def _keys(self) -> str:
        return ", ".join(map(quoted, self._view.keys))

    def counted(self) -> Found:
        """Rows and entities."""
        rows, entities = self._one(f"SELECT count(*), count(DISTINCT row({self._keys})) FROM population")
        return {"rows": rows, "entities": entities}

    def take_sample(self, rows: int, sample_rows: int) -> Found:
        """Chooses what is looked at value by value: about `sample_rows` where there are more."""
        bound = HASHES if rows <= sample_rows else HASHES * sample_rows // rows
        chosen = f"SELECT * FROM population WHERE hash({self._keys})::HUGEINT < $bound::HUGEINT"
        self._engine.execute(f"CREATE TEMP TABLE looked_at AS {chosen}", {"bound": bound})
        return {"looked_at": self._one("SELECT count(*) FROM looked_at")[0]}

    def measured(self, feature: Feature) -> Found:
        """What there is to tell of one feature, by its type."""
        name = quoted(feature.name)
        (nulls,) = self._one(f"SELECT count(*) - count({name}) FROM population")
        (distinct,) = self._one(f"SELECT count(DISTINCT {name}) FROM looked_at")
        found = {"nulls": nulls, "distinct": distinct}
        if feature.type in NUMBERS:
            return found | self._of_numbers(_as_number(feature))
        if feature.type in WORDS:
            return found | self._of_words(name)
        if feature.type in LISTS:
            return found | {"mean_length": self._one(f"SELECT avg(len({name})) FROM looked_at")[0]}
        return found

    def _of_numbers(self, number: str) -> Found:
        low, high = self._one(f"SELECT min({number}), max({number}) FROM population")
        found = {"min": low, "max": high}
        self._engine.execute(
            f"CREATE OR REPLACE TEMP VIEW numbers AS SELECT value FROM (SELECT {number} AS value FROM looked_at)"
            " WHERE value IS NOT NULL"
        )
        quantiles, mean, values = self._one(
            "SELECT quantile_disc(value, [0.05, 0.5, 0.95]), avg(value ORDER BY value), count(*) FROM numbers"
        )
        if not values:
            return found
        p05, median, p95 = quantiles
        bins = (p05, p95) if p05 < p95 else (low, high)
        counts = dict(self._engine.execute(BINNED, {"low": bins[0], "high": bins[1]}).fetchall())
        histogram = [counts.get(number, 0) / values for number in range(BINS)]
        found |= {"p05": p05, "median": median, "p95": p95, "mean": mean, "histogram": histogram}
        return found | {"bins_from": bins[0], "bins_to": bins[1]}

    def _of_words(self, name: str) -> Found:
        (values,) = self._one(f"SELECT count({name}) FROM looked_at")
        if not values:
            return {}
        top = self._engine.execute(
            f"SELECT {name}::VARCHAR, count(*) FROM looked_at WHERE {name} IS NOT NULL"
            f" GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT {MOST_FREQUENT}"
        ).fetchall()
        return {"top_values": [word for word, _ in top], "top_shares": [times / values for _, times in top]}

    def _one(self, query: str) -> tuple[Any, ...]:
        [row] = self._engine.execute(query).fetchall()
        return tuple(row)


def _as_number(feature: Feature) -> str:
    """A number as it is told: moments as seconds since 1970; neither NaN nor infinite, nor a zero below zero."""
    name = quoted(feature.name)
    if feature.type is ColumnType.TIMESTAMP:
        return f"epoch_us({name}) / 1e6"
    return f"CASE WHEN isfinite({name}::DOUBLE) THEN {name}::DOUBLE + 0.0 END"
