"""Segments hold whom they name, their tables measure them alone, and a report tells all of it under legal names."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest

from daybreak.errors import InputError
from tests.training.evaluation import plain
from training.evaluation.full_catalogue import RankingEvaluation, evaluate
from training.evaluation.report import flat_report
from training.evaluation.segments import (
    ItemSegments,
    QuerySegments,
    history_segments,
    popularity_segments,
    segment_table,
)


@pytest.fixture
def judged() -> RankingEvaluation:
    """Every query is shown items 0, 1, 2, 3 in this order; query 3 wants nothing."""
    order = np.array([[4.0, 3.0, 2.0, 1.0]], np.float32)
    return evaluate(
        lambda rows: np.tile(order, (len(rows), 1)),
        np.arange(4),
        plain.sets_of([{0}, {0, 3}, {3}, set()]),
        plain.sets_of([set()] * 4),
        ks=(1, 3),
    )


def test_history_parts_queries_by_its_length():
    """None is new; the longest fifth, or all from a given length, is heavy."""
    sizes = np.array([0, 1, 2, 3, 4, 100])
    assert history_segments(sizes).numbers.tolist() == [0, 1, 1, 1, 1, 2]
    assert history_segments(sizes, heavy_from=3).numbers.tolist() == [0, 1, 1, 2, 2, 2]
    assert history_segments(np.zeros(2, dtype=np.int64)).numbers.tolist() == [0, 0]


def test_the_head_makes_four_fifths_of_interest():
    """Of 10 times interest the first 8 are the head's; what nobody wanted is cold; equal items go by number."""
    assert popularity_segments(np.array([1, 5, 0, 3, 1])).numbers.tolist() == [1, 0, 2, 0, 1]
    assert popularity_segments(np.array([1, 1, 1, 1, 1])).numbers.tolist() == [0, 0, 0, 0, 1]


def test_queries_are_measured_by_segment(judged):
    """Each segment has the means of its own queries; an empty one has none."""
    rows = segment_table(judged, QuerySegments(("a", "b", "c"), np.array([0, 0, 1, 2])))
    assert [(row["segment"], row["queries"]) for row in rows] == [("a", 2), ("b", 1), ("c", 0)]
    assert rows[0]["recall_at_1"].mean == (1 + 1 / 2) / 2
    assert rows[1]["recall_at_1"].mean == 0
    assert rows[0]["recall_at_1"].low <= 0.75 <= rows[0]["recall_at_1"].high
    assert "recall_at_1" not in rows[2]


def test_items_are_measured_by_segment(judged):
    """Recall counts what is relevant and of the segment, for the queries that want such: 0 is first, 3 is last."""
    rows = segment_table(judged, ItemSegments(("head", "tail", "cold"), np.array([0, 1, 1, 1])))
    assert [(row["segment"], row["queries"]) for row in rows] == [("head", 2), ("tail", 2), ("cold", 0)]
    assert rows[0]["recall_at_1"].mean == 1
    assert rows[1]["recall_at_3"].mean == 0
    assert {name for name in rows[0] if "_at_" in name} == {"recall_at_1", "recall_at_3"}


def test_a_report_is_flat_legal_and_finite(judged):
    """Means with intervals, segments with their own, and what goes beyond accuracy."""
    segments = {"history": history_segments(np.array([0, 1, 9, 0])), "items": popularity_segments(np.ones(4))}
    report = flat_report(judged, segments, {"coverage_at_1": 0.25})
    assert all(re.fullmatch(r"[A-Za-z0-9_/]+", name) and math.isfinite(value) for name, value in report.items())
    assert report["queries"] == 3
    assert report["recall_at_1"] == pytest.approx((1 + 1 / 2 + 0) / 3)
    assert report["recall_at_1_low"] <= report["recall_at_1"] <= report["recall_at_1_high"]
    assert report["history/new/recall_at_1"] == 1
    assert report["items/cold/queries"] == 0
    assert report["coverage_at_1"] == 0.25


def test_what_cannot_be_told_apart_gets_one_sentence(judged):
    """Items without a segment, and a segment whose name is no metric's."""
    with pytest.raises(InputError, match="each item needs its segment, but there are 2 and item 3"):
        segment_table(judged, ItemSegments(("all",), np.zeros(2, dtype=np.int64)))
    with pytest.raises(InputError, match="there is 'by/a@1/"):
        flat_report(judged, {"by": QuerySegments(("a@1",), np.zeros(4, dtype=np.int64))}, {})
