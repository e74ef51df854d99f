"""Every request has an answer, and every answer says where it comes from."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daybreak.releases import Release
from serving_export.reader.core import Request, Response, answer
from serving_export.reader.snapshot import Snapshot
from serving_export.reader.state import Refusal, State

AGE = 3_600.4


def _ask(state: State, path: str, query: str = "", method: str = "GET") -> Response:
    return answer(Request(method, path.encode(), query.encode()), state, lambda ds: AGE)


def _document(response: Response) -> dict[str, Any]:
    headers = dict(response.headers)
    assert headers["content-length"] == str(len(response.body))
    expected = "application/json" if response.status in (200, 503) else "application/problem+json"
    assert headers["content-type"] in (expected, "application/problem+json")
    document = json.loads(response.body)
    assert isinstance(document, dict)
    return document


@pytest.fixture
def state(build: Any) -> State:
    release: Release = build("a")
    return State(snapshot=Snapshot(release), swaps=1, swapped_at="2026-11-21T00:00:00Z")


def test_a_known_id_gets_its_own_list_with_titles_and_provenance(state: State) -> None:
    """The answer holds the first k entries in order and names release, model, day and age."""
    assert state.snapshot is not None
    response = _ask(state, "/v1/recs/for_you/u1", "k=2")
    assert response.status == 200
    assert _document(response) == {
        "surface": "for_you",
        "id": "u1",
        "items": [
            {"id": "a-i0", "score": 1.0, "source": "cooccurrence", "title": "a title of a-i0", "category": "books"},
            {"id": "a-i1", "score": 0.5, "source": "cooccurrence", "title": "a title of a-i1", "category": "books"},
        ],
        "release": state.snapshot.id,
        "model": "model-a",
        "ds": "2026-11-20",
        "age_s": 3_600,
        "fallback": False,
        "source": "list",
    }
    headers = dict(response.headers)
    assert (headers["x-daybreak-release"], headers["x-daybreak-ds"]) == (state.snapshot.id, "2026-11-20")
    assert headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("surface", ["for_you", "similar_items"])
@pytest.mark.parametrize("query_id", ["nobody", "%C3%A9t%C3%A9", "a%2Fb", "x" * 256, "%F0%9F%8C%85" * 256])
def test_an_unknown_id_gets_the_fallback_of_its_surface(state: State, surface: str, query_id: str) -> None:
    """Who has no list of their own gets the list for everyone, and the answer says so."""
    document = _document(_ask(state, f"/v1/recs/{surface}/{query_id}", "k=1"))
    assert (document["fallback"], document["source"]) == (True, "everyone")
    assert [item["id"] for item in document["items"]] == ["a-i29"]


def test_the_fallback_beside_an_item_leaves_the_item_out_and_is_as_long_all_the_same(state: State) -> None:
    """An item without a list is not recommended beside itself; a user may be called like an item, and loses nothing."""
    beside = _document(_ask(state, "/v1/recs/similar_items/a-i28", "k=3"))
    assert [item["id"] for item in beside["items"]] == ["a-i29", "a-i27", "a-i26"]
    assert (beside["fallback"], beside["source"]) == (True, "everyone")
    for_user = _document(_ask(state, "/v1/recs/for_you/a-i28", "k=3"))
    assert [item["id"] for item in for_user["items"]] == ["a-i29", "a-i28", "a-i27"]


@pytest.mark.parametrize(("query", "length"), [("", 20), ("k=1", 1), ("k=30", 30), ("k=100", 30), ("other=x&k=007", 7)])
def test_k_cuts_the_list(state: State, query: str, length: int) -> None:
    """As many entries as asked for, 20 if nothing is asked, and never more than there are."""
    assert len(_document(_ask(state, "/v1/recs/for_you/u1", query))["items"]) == length


@pytest.mark.parametrize(
    "query", ["k=0", "k=101", "k=-1", "k=+5", "k=1.5", "k=ten", "k=", "k", "k=1&k=2", "k=1_0", "k=%D9%A1", "k=9" * 50]
)
def test_a_k_that_is_no_number_from_1_to_100_is_refused(state: State, query: str) -> None:
    """A wrong k is told with what was found, not replaced by a guess."""
    response = _ask(state, "/v1/recs/for_you/u1", query)
    assert response.status == 400
    assert "k must be one whole number from 1 to 100, found" in _document(response)["detail"]


@pytest.mark.parametrize(
    ("query_id", "detail"),
    [
        ("", "the id must not be empty"),
        ("x" * 257, "at most 256 characters, found 257"),
        ("%C3%A9" * 10_000, "at most 256 characters, found 10000"),
        ("%FF", "percent-encoded UTF-8"),
        ("%ED%A0%80", "percent-encoded UTF-8"),
    ],
)
def test_what_can_be_no_id_is_refused(state: State, query_id: str, detail: str) -> None:
    """An empty, over-long or undecodable id is a bad request, not an unknown user."""
    response = _ask(state, f"/v1/recs/for_you/{query_id}")
    assert response.status == 400
    assert detail in _document(response)["detail"]


def test_an_unknown_surface_is_not_found_and_the_surfaces_are_listed(state: State) -> None:
    """A program or person that mistypes a surface is told which there are."""
    response = _ask(state, "/v1/recs/for-you/u1")
    document = _document(response)
    assert (response.status, document["surfaces"]) == (404, ["for_you", "similar_items"])
    assert "'for-you'" in document["detail"]
    for reserved in ("@item/a-i0", "@segment%2Ffor_you/young", "@segment_of/u1", "@surfaces/x", "@layout/x"):
        assert _ask(state, f"/v1/recs/{reserved}").status == 404


@pytest.mark.parametrize(
    "path", ["/", "", "*", "/v1", "/v1/recs/for_you", "/v1/recs/for_you/a/b", "/healthz/", "//healthz"]
)
def test_an_unknown_path_is_not_found(state: State, path: str) -> None:
    """Nothing else is served, whatever the method."""
    for method in ("GET", "POST"):
        response = _ask(state, path, method=method)
        assert (response.status, _document(response)["title"]) == (404, "Not Found")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
@pytest.mark.parametrize("path", ["/healthz", "/v1/recs/for_you/u1"])
def test_other_methods_are_not_allowed(state: State, path: str, method: str) -> None:
    """The answer names the method that is."""
    response = _ask(state, path, method=method)
    assert (response.status, dict(response.headers)["allow"]) == (405, "GET")


def test_without_a_release_both_paths_say_so() -> None:
    """Before the first night the reader answers 503 with a sentence, and bad requests stay bad requests."""
    response = _ask(State(), "/v1/recs/for_you/u1")
    assert response.status == 503
    assert "nothing is published yet" in _document(response)["detail"]
    assert "retry-after" in dict(response.headers)
    health = _ask(State(), "/healthz")
    assert (health.status, _document(health)["status"]) == (503, "empty")
    assert _ask(State(), "/v1/recs/for_you/u1", "k=0").status == 400


def test_health_tells_what_is_served_and_what_was_refused(state: State) -> None:
    """An operator sees release, day, age, the last swap, and why a newer release is not served."""
    assert state.snapshot is not None
    document = _document(_ask(state, "/healthz"))
    assert document["status"] == "serving"
    assert (document["release"], document["ds"], document["age_s"]) == (state.snapshot.id, "2026-11-20", 3_600)
    assert (document["swaps"], document["last_swap"], document["last_refusal"]) == (1, "2026-11-21T00:00:00Z", None)
    refusal = Refusal("2026-11-21-beef", "the checksum does not match", "2026-11-22T00:00:00Z")
    behind = State(state.snapshot, refusals=1, last_refusal=refusal, is_behind=True)
    response = _ask(behind, "/healthz")
    document = _document(response)
    assert (response.status, document["status"], document["refusals"]) == (200, "behind", 1)
    assert document["last_refusal"] == {
        "release": "2026-11-21-beef",
        "reason": "the checksum does not match",
        "at": "2026-11-22T00:00:00Z",
    }


@given(text=st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=256))
def test_an_id_is_read_back_as_it_was_sent(state_for_all: State, text: str) -> None:
    """Whatever text an id is, percent-encoding carries it to the answer unchanged."""
    response = _ask(state_for_all, f"/v1/recs/for_you/{quote(text, safe='')}")
    assert (response.status, _document(response)["id"]) == (200, text)


@given(path=st.binary(max_size=60), query=st.binary(max_size=60))
def test_no_bytes_break_the_reader(state_for_all: State, path: bytes, query: bytes) -> None:
    """Any path and query get an answer that is a client's mistake or a list, never a crash."""
    for prefix in (b"", b"/v1/recs/for_you/", b"/v1/recs/"):
        assert answer(Request("GET", prefix + path, query), state_for_all, lambda ds: AGE).status in (200, 400, 404)


@pytest.fixture(scope="module")
def state_for_all(tmp_path_factory: pytest.TempPathFactory) -> State:
    """One state that every example of a property shares."""
    from daybreak.releases import ReleaseStore
    from serving_export.reader.layout import LISTS_FILE
    from serving_export.snapshot import write_lists

    store = ReleaseStore(tmp_path_factory.mktemp("releases"))
    with store.build(ds="2026-11-20", model="m", surfaces=("for_you",), built_from={}) as draft:
        served = {"for_you": {"length": 50, "without_own": False, "of_items": True}}
        draft.add(LISTS_FILE, rows=write_lists(draft.path / LISTS_FILE, [], [], served))
    return State(Snapshot(store.open(draft.release_id)))


def test_a_surface_without_a_fallback_answers_with_an_empty_list(state_for_all: State) -> None:
    """Where there is nothing to show the answer is an honest empty list, not an error."""
    document = _document(_ask(state_for_all, "/v1/recs/for_you/u1"))
    assert (document["items"], document["fallback"], document["source"]) == ([], True, "none")
