"""The statistics of features equal those of a plain loop; the population is the night's; what is stale is told."""

from __future__ import annotations

import math
from collections import Counter
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given
from hypothesis import settings as trying
from hypothesis import strategies as st

from daybreak.clock import EPOCH, days_before, end_of
from daybreak.contracts import ColumnType
from daybreak.duckdb_files import opened
from daybreak.features.declaration import Entity, Feature, FeatureView
from daybreak.features.described import ITEM_CATALOGUE, USER_GRAPH, USER_PROFILE
from daybreak.features.statistics import FEATURE_STATS, FeatureStats, Freshness
from daybreak.features.views import VIEWS
from daybreak.lake import Lake, Window
from daybreak.lake.schemas import data_schema
from daybreak.lineage import RunRecord
from daybreak.runner import run_steps
from daybreak.settings import Settings
from daybreak.steps import step_named
from tests.lake import land, put
from validation.feature_values import ViewFiles, ViewRows

STEP = step_named("validation.feature_stats")
DS = "2026-11-20"
NIGHT_END = end_of(DS)
KINDS = {
    "whole": ColumnType.INT64,
    "amount": ColumnType.FLOAT64,
    "moment": ColumnType.TIMESTAMP,
    "word": ColumnType.STRING,
    "truth": ColumnType.BOOL,
    "words": ColumnType.STRINGS,
    "vector": ColumnType.VECTOR,
}


def view(*, nightly: bool) -> FeatureView:
    """A view with a feature of each kind."""
    return FeatureView(
        name="tried",
        doc="What is tried.",
        entities=(Entity("user", "user_id", "the user"), Entity("item", "item_id", "the item")),
        features=tuple(Feature(name, kind, name) for name, kind in KINDS.items()),
        made_by="jobs.tried",
        owner="tests",
        fresh_within=timedelta(days=2),
        nightly=nightly,
    )


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "whole": st.integers(-5, 5) | st.integers(-(2**40), 2**40),
    "amount": st.floats(-1e9, 1e9) | st.sampled_from([0.0, -0.0, math.nan, math.inf, -math.inf]),
    "moment": st.integers(-(10**15), 2 * 10**15).map(lambda micros: EPOCH + timedelta(microseconds=micros)),
    "word": st.sampled_from(["a", "b", "B", "ä", "", "'; --", "\U0001f319"]) | st.text(max_size=3),
    "truth": st.booleans(),
    "words": st.lists(st.sampled_from(["x", "y", None]), max_size=4),
    "vector": st.lists(st.floats(0, 1, width=32), max_size=4),
}
ROW = st.fixed_dictionaries({name: st.none() | values for name, values in VALUES.items()})


def is_number(value: Any) -> bool:
    return value is not None and not (isinstance(value, float) and not math.isfinite(value))


def as_number(value: Any) -> float:
    if isinstance(value, datetime):
        return ((value - EPOCH) // timedelta(microseconds=1)) / 1e6
    return float(value) + 0.0


def quantile(ordered: list[float], part: int, of: int) -> float:
    """The first value that at least the part of all values do not exceed."""
    return ordered[max(0, -(-len(ordered) * part // of) - 1)]


def told_of_numbers(values: list[Any]) -> dict[str, Any]:
    ordered = sorted(as_number(value) for value in values if is_number(value))
    if not ordered:
        return {"min": None, "max": None}
    p05, p95 = quantile(ordered, 1, 20), quantile(ordered, 19, 20)
    low, high = (p05, p95) if p05 < p95 else (ordered[0], ordered[-1])
    bins = Counter(bin_of(value, low, high) for value in ordered)
    return {
        "min": ordered[0],
        "max": ordered[-1],
        "p05": p05,
        "median": quantile(ordered, 1, 2),
        "p95": p95,
        "mean": pytest.approx(math.fsum(ordered) / len(ordered), rel=1e-9, abs=1e-6),
        "bins_from": low,
        "bins_to": high,
        "histogram": [bins[number] / len(ordered) for number in range(10)],
    }


def bin_of(value: float, low: float, high: float) -> int:
    return min(9, max(0, math.floor(10 * ((value - low) / (high - low))))) if high > low else 0


def told_of_words(values: list[Any]) -> dict[str, Any]:
    words = [str(value).lower() if isinstance(value, bool) else value for value in values]
    top = sorted(Counter(words).items(), key=lambda counted: (-counted[1], counted[0]))[:10]
    if not top:
        return {}
    return {"top_values": [word for word, _ in top], "top_shares": [times / len(words) for _, times in top]}


def expected(name: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """What a plain loop over the rows finds."""
    values = [row[name] for row in rows if row[name] is not None]
    different = {"nan" if value != value else tuple(value) if isinstance(value, list) else value for value in values}
    found = {"nulls": len(rows) - len(values), "distinct": len(different)}
    if name in ("whole", "amount", "moment"):
        return found | told_of_numbers(values)
    if name in ("words", "vector"):
        lengths = [len(value) for value in values]
        return found | {"mean_length": pytest.approx(sum(lengths) / len(lengths)) if lengths else None}
    return found | told_of_words(values)


def measured(tried: FeatureView, rows: list[dict[str, Any]], *, sample_rows: int = 1_000) -> dict[str, Any]:
    """What is found in rows that lie in two files."""
    with TemporaryDirectory() as folder:
        paths = [str(Path(folder) / f"{number}.parquet") for number in range(2)]
        for path, part in zip(paths, (rows[::2], rows[1::2]), strict=True):
            pq.write_table(pa.Table.from_pylist(part, schema=data_schema(tried.dataset)), path)
        with closing(opened(Path(folder), "256MB")) as engine:
            found = ViewRows(tried, ViewFiles(DS, paths, are_of_tonight=True), engine)
            counted = found.counted()
            looked_at = found.take_sample(counted["rows"], sample_rows)
            features = {feature.name: found.measured(feature) for feature in tried.features}
            return {**counted, **looked_at, **features}


@trying(max_examples=40)
@given(st.lists(ROW, max_size=45))
@example([])
@example([dict.fromkeys(KINDS)])
def test_every_figure_is_that_of_a_plain_loop(values: list[dict[str, Any]]) -> None:
    """Nulls, NaN, infinities, empty lists and odd words; a view without rows; each entity counts once."""
    stamps = {"event_ts": NIGHT_END, "available_ts": NIGHT_END + timedelta(hours=6)}
    rows = [{"user_id": f"u{n // 2}", "item_id": f"i{n % 2}", **stamps, **row} for n, row in enumerate(values)]
    found = measured(view(nightly=True), rows)
    assert (found["rows"], found["entities"], found["looked_at"]) == (len(rows),) * 3
    for name in KINDS:
        assert found[name] == expected(name, rows), name


@trying(max_examples=25)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 6), ROW), max_size=25, unique_by=lambda row: row[:2]))
def test_of_states_the_newest_of_each_entity_counts(values: list[tuple[int, int, dict[str, Any]]]) -> None:
    """In whatever order and file they lie; of two that begin at one moment, the one that was known later."""
    rows = [
        {
            "user_id": f"u{entity}",
            "item_id": "i0",
            "event_ts": EPOCH + timedelta(days=step // 2),
            "available_ts": EPOCH + timedelta(days=step),
            **row,
        }
        for entity, step, row in values
    ]
    newest: dict[str, dict[str, Any]] = {}
    for row in sorted(rows, key=lambda row: row["available_ts"]):
        newest[row["user_id"]] = row
    found = measured(view(nightly=False), rows)
    assert (found["rows"], found["entities"]) == (len(newest),) * 2
    for name in KINDS:
        assert found[name] == expected(name, list(newest.values())), name


def test_a_large_view_is_sampled_by_its_keys() -> None:
    """Counts and extremes stay exact; the sample is about as large as asked for, and the same in any order."""
    stamps = {"event_ts": NIGHT_END, "available_ts": NIGHT_END}
    nothing: dict[str, Any] = dict.fromkeys(KINDS)
    rows = [{"user_id": f"u{n}", "item_id": "i", **stamps, **nothing, "whole": n} for n in range(4_000)]
    found = measured(view(nightly=True), rows, sample_rows=500)
    assert (found["rows"], found["entities"], found["whole"]["min"], found["whole"]["max"]) == (4_000, 4_000, 0, 3_999)
    assert 350 < found["looked_at"] < 650
    assert found["whole"]["distinct"] == found["looked_at"]
    assert found["whole"]["median"] == pytest.approx(2_000, abs=400)
    assert measured(view(nightly=True), rows[::-1], sample_rows=500) == found


# The step


def _profile(user: str, ds: str, **values: Any) -> dict[str, Any]:
    moment = end_of(ds) - timedelta(hours=2)
    return {"user_id": user, "event_ts": moment, "available_ts": end_of(ds), "ds": ds, **values}


def _place(user: str, ds: str, **values: Any) -> dict[str, Any]:
    """A row of `user_graph`, as its job leaves it."""
    return {"user_id": user, "event_ts": end_of(ds), "available_ts": end_of(ds), "ds": ds, **values}


def _run(settings: Settings, lake: Lake, ds: str = DS) -> tuple[RunRecord, dict[tuple[str, str], FeatureStats]]:
    land(lake, ds)
    (record,) = run_steps([STEP], ds, settings)
    rows = lake.table(FEATURE_STATS).read(Window(since=ds, until=ds), FEATURE_STATS.column_names).to_pylist()
    return record, {(row["view"], row["feature"]): FeatureStats(**row) for row in rows}


def test_a_night_tells_every_feature_of_every_view(settings: Settings, lake: Lake) -> None:
    """States of all nights up to this one, no later ones; of a nightly view this night's rows; the stale by name."""
    before, after = days_before(DS, 1), "2026-11-21"
    put(lake, USER_PROFILE.dataset, before, [_profile("u0", before, country="DE"), _profile("u1", before)])
    put(lake, USER_PROFILE.dataset, DS, [_profile("u0", DS, country="FR")])
    put(lake, USER_PROFILE.dataset, after, [_profile("u2", after, country="US")])
    put(lake, USER_GRAPH.dataset, before, [_place("u0", before, friends=100), _place("u1", before, friends=100)])
    put(lake, USER_GRAPH.dataset, DS, [_place(f"u{n}", DS, friends=n) for n in range(20)])
    record, stats = _run(settings, lake)
    assert set(stats) == {(view.name, name) for view in VIEWS.values() for name in view.feature_names}
    country = stats["user_profile", "country"]
    assert (country.rows, country.nulls, country.null_share, country.top_values) == (2, 1, 0.5, ["FR"])
    assert (country.newest_night, country.newest_event_ts) == (DS, end_of(DS) - timedelta(hours=2))
    friends = stats["user_graph", "friends"]
    assert (friends.rows, friends.p05, friends.median, friends.p95, friends.mean) == (20, 0, 9, 18, 9.5)
    assert sum(friends.histogram or []) == pytest.approx(1)
    assert record.summary["stale"] == "none", "a view that never had a row is empty, not stale"
    assert (record.summary["views"], record.summary["features"]) == (len(VIEWS), len(stats))


def test_a_nightly_view_may_miss_a_night_and_is_stale_after_two(settings: Settings, lake: Lake) -> None:
    """Nothing is told of its values, how old it is all the same; a state that began long ago is not stale."""
    before = days_before(DS, 2)
    put(lake, USER_GRAPH.dataset, before, [_place("u0", before, friends=3)])
    record, _ = _run(settings, lake, days_before(DS, 1))
    assert record.summary["stale"] == "none"
    long_ago = {"event_ts": "2020-01-01T00:00:00Z", "available_ts": "2026-01-02T06:00:00Z", "ds": "2026-01-01"}
    put(lake, ITEM_CATALOGUE.dataset, "2026-01-01", [{"item_id": "i0", **long_ago}])
    record, stats = _run(settings, lake)
    why = f"its newest night is {before}, 54 h old when this night was due, and may be 30 h"
    assert record.summary["stale"] == f"user_graph: {why}"
    friends = stats["user_graph", "friends"]
    assert (friends.rows, friends.entities, friends.nulls, friends.null_share, friends.median) == (0, 0, 0, None, None)
    assert (friends.newest_night, friends.newest_event_ts) == (before, end_of(before))
    page = (settings.reports / "features.html").read_text(encoding="utf-8")
    assert why in page


@pytest.mark.parametrize(("night_due", "hours"), [("06:00", 6), ("18:30", 18.5), ("00:00", 0)])
def test_what_is_too_old_makes_a_view_stale(night_due: str, hours: float) -> None:
    """Exactly as old as may be is fresh; how late in the day nights are due does not matter."""
    tried = view(nightly=True)
    assert Freshness(DS, night_due, DS, end_of(DS) - timedelta(days=2)).why_stale(tried) is None
    too_old = Freshness(DS, night_due, DS, end_of(DS) - timedelta(days=2, hours=1)).why_stale(tried)
    assert too_old is not None
    assert too_old.startswith(f"its newest night is {DS}, {49 + hours:.0f} h old when this night was due, and may be")
    assert Freshness(DS, night_due, None, None).why_stale(tried) is None


def test_a_night_told_again_gives_the_same_rows_and_page(settings: Settings, lake: Lake) -> None:
    """Whatever later nights left."""
    put(lake, USER_GRAPH.dataset, DS, [_place(f"u{n}", DS, pagerank=n / 7, friends=n) for n in range(50)])
    _run(settings, lake)
    page = settings.reports / "features.html"
    before = (lake.table(FEATURE_STATS).digest(DS), page.read_bytes())
    put(lake, USER_GRAPH.dataset, "2026-11-21", [_place("u0", "2026-11-21", friends=9_999)])
    rows = [_place(f"u{n}", DS, pagerank=n / 7, friends=n) for n in reversed(range(50))]
    put(lake, USER_GRAPH.dataset, DS, rows)
    _run(settings, lake)
    assert (lake.table(FEATURE_STATS).digest(DS), page.read_bytes()) == before


def test_a_feature_that_older_files_lack_is_null_there(tmp_path: Path) -> None:
    """A view that was given a new feature can be told before its job ran again."""
    tried = view(nightly=False)
    path = tmp_path / "old.parquet"
    old = data_schema(tried.dataset).empty_table().drop_columns(["word", "whole"])
    row = {"user_id": "u", "item_id": "i", "event_ts": NIGHT_END, "available_ts": NIGHT_END, "truth": True}
    pq.write_table(pa.Table.from_pylist([row], schema=old.schema), path)
    with closing(opened(tmp_path, "256MB")) as engine:
        found = ViewRows(tried, ViewFiles(DS, [str(path)], are_of_tonight=True), engine)
        found.take_sample(1, 10)
        features = {feature.name: found.measured(feature) for feature in tried.features}
    assert (features["word"]["nulls"], features["whole"]["nulls"], features["truth"]["nulls"]) == (1, 1, 0)
