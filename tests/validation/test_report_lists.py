"""The report measures the lists as they are, and shows some of them as a person would read them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime

import pyarrow as pa

from daybreak.datasets import ITEMS, LISTS
from daybreak.lake.schemas import full_schema
from validation.report.catalogue import Catalogue, catalogue
from validation.report.samples import EVENTS_SHOWN, choose, last_done, samples
from validation.report.shelves import shelf

DS = "2026-11-20"
NO_ITEMS = pa.table({name: pa.array([], pa.string()) for name in ("item_id", "title", "category")})


def _list(query: str, candidates: str, source: str = "popular") -> list[dict[str, object]]:
    return [
        {
            "audience": "query" if query else "everyone",
            "query_id": query,
            "rank": rank,
            "candidate_id": item,
            "score": 1.0 / (rank + 1),
            "source": source,
            "reason": "popular",
        }
        for rank, item in enumerate(candidates)
    ]


def _lists(*lists: list[dict[str, object]]) -> pa.Table:
    rows = [{"surface": "s", "ds": DS, **row} for part in lists for row in part]
    return pa.Table.from_pylist(rows, schema=full_schema(LISTS))


def _shelf_items(ids: str) -> Catalogue:
    categories = ["vowels" if item in "aeiou" else "others" for item in ids]
    items = pa.table({"item_id": list(ids), "title": [item.upper() for item in ids], "category": categories})
    return Catalogue(items, items["item_id"].combine_chunks())


def test_a_shelf_is_measured_without_its_fallback() -> None:
    """Lengths, sources, coverage, popular items and categories are those of the queries' own lists."""
    lists = _lists(_list("q1", "abc"), _list("q2", "ab", "trending"), _list("", "xyz"))
    popularity = pa.table({"item_id": list("abz"), "score": [1.0, 9.0, 2.0], "events": [1, 2, 1]})
    found = shelf("s", lists, _shelf_items("abcxyz"), popularity)
    assert (found.lists, found.entries, found.fallback) == (2, 5, 3)
    assert found.lengths == {2: 1, 3: 1}
    assert found.sources == {"popular": 0.6, "trending": 0.4}
    assert found.places == {"popular": (0.5, 0.5, 1.0), "trending": (0.5, 0.5, 0.0)}
    assert (found.coverage, found.popular_share) == (0.5, 0.4)
    assert [(c.category, c.lists, c.events) for c in found.categories] == [("others", 0.6, 0.75), ("vowels", 0.4, 0.25)]
    assert sum(found.scores.counts) == 5


def test_a_shelf_with_nothing_to_compare_with_is_measured_all_the_same() -> None:
    """Without catalogue, popularity or any list of its own, a surface has the numbers there are, and none elsewhere."""
    nothing = pa.table(
        {"item_id": pa.array([], pa.string()), "score": pa.array([], pa.float64()), "events": pa.array([], pa.int64())}
    )
    found = shelf("s", _lists(_list("", "ab")), Catalogue(NO_ITEMS, pa.array([], pa.string())), nothing)
    assert (found.lists, found.fallback, found.coverage, found.popular_share) == (0, 2, None, None)
    assert found.categories == ()
    assert found.scores.counts == ()


def test_every_category_is_compared_the_most_wanted_first() -> None:
    """Also a category that stands in no list, and one that nobody wanted, has its two shares."""
    ids = ["a", "b", "c"]
    items = pa.table({"item_id": ids, "title": ids, "category": ["tea", "rare", None]})
    popularity = pa.table({"item_id": ["a", "b"], "score": [1.0, 1.0], "events": [3, 1]})
    shares = shelf(
        "s", _lists(_list("q", "ac")), Catalogue(items, items["item_id"].combine_chunks()), popularity
    ).categories
    assert [(share.category, share.lists, share.events) for share in shares] == [
        ("tea", 0.5, 0.75), ("rare", 0.0, 0.25), ("no category", 0.5, 0.0),
    ]  # fmt: skip


def test_an_item_is_shown_as_its_state_says() -> None:
    """What was retired by then, is launched later or was switched off has a title and no place in the coverage."""
    then, later = datetime(2026, 11, 9, tzinfo=UTC), datetime(2026, 11, 25, tzinfo=UTC)
    base = {"updated_ts": then, "category": "tea", "status": "active", "ds": "2026-11-09"}
    rows = [
        {**base, "item_id": "a", "title": "New", "category": None},
        {**base, "item_id": "b", "title": "Gone", "retired_ts": then},
        {**base, "item_id": "c", "title": "Soon", "launched_ts": later},
        {**base, "item_id": "d", "title": "Off", "status": "deactivated"},
    ]
    found = catalogue(pa.Table.from_pylist(rows, schema=full_schema(ITEMS)), pa.chunked_array([[]], pa.string()), DS)
    assert found.shown.to_pylist() == ["a"]
    named = found.named(pa.array(["a", "d", "nobody"]))
    assert {key: (item.title, item.category) for key, item in named.items()} == {
        "a": ("New", "no category"), "d": ("Off", "tea"),
    }  # fmt: skip


def test_samples_are_drawn_by_the_seed_alone() -> None:
    """The same seed draws the same queries in any order of rows, never the fallback, and no more than there are."""
    lists = [_list(query, "ab") for query in ("q3", "q1", "", "q2", "q4")]
    forth, back = _lists(*lists), _lists(*lists[::-1])
    assert choose(forth, 2, 7) == choose(back, 2, 7)
    assert choose(forth, 9, 7) == ["q1", "q2", "q3", "q4"]
    assert choose(forth.slice(0, 0), 3, 7) == []


def test_days_are_read_until_enough_is_known_of_everyone() -> None:
    """What was only looked at does not count, the newest comes first, and no further day is read than needed."""
    read: list[int] = []

    def days() -> Iterator[pa.Table]:
        for back in range(5):
            read.append(back)
            at = datetime(2026, 11, 20 - back, 12, tzinfo=UTC)
            kinds = ["view"] * (EVENTS_SHOWN - 2) + ["impression"] * 50
            yield pa.table(
                {
                    "user_id": ["u"] * len(kinds),
                    "item_id": ["i"] * len(kinds),
                    "event_type": kinds,
                    "event_ts": [at] * len(kinds),
                }
            )

    done = last_done(["u"], days())
    assert read == [0, 1]
    assert done is not None
    assert done["event_ts"][0].as_py() == datetime(2026, 11, 20, 12, tzinfo=UTC)
    assert "impression" not in done["event_type"].to_pylist()


def test_a_sample_shows_the_head_of_its_list_with_titles() -> None:
    """Ten places in order, each with its title where the catalogue knows it and none where it does not."""
    lists = _lists(_list("q", "abcdefghijklm")[::-1], _list("r", "z"))
    (sample,) = samples(["q"], lists, _shelf_items("abc"), {"q": ("DE",)}, None)
    assert [entry.place for entry in sample.entries] == list(range(1, 11))
    assert [entry.item.title if entry.item else entry.item_id for entry in sample.entries][:5] == [
        "A",
        "B",
        "C",
        "d",
        "e",
    ]
    assert (sample.about, sample.done) == (("DE",), ())
