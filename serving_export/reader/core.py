"""Turns a request into a response: no server, no clock, no files beyond the snapshot that the state holds.

    GET /v1/recs/{surface}/{id}?k=20    the list of an id
    GET /healthz                        what is served, since when, and what was refused

What is wrong with a request is told as `application/problem+json` (RFC 9457).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qs, unquote_to_bytes

from daybreak.errors import InputError
from serving_export.reader.recommendations import (
    DEFAULT_LENGTH,
    LONGEST_LIST,
    UnknownSurfaceError,
    check_id,
    recommend,
)
from serving_export.reader.snapshot import Snapshot
from serving_export.reader.state import State

AgeOf = Callable[[str], float]
"""Seconds since the end of a day."""

NOTHING_YET = "nothing is published yet, or it could not be opened; /healthz says more"
RETRY_AFTER_SECONDS = "5"
_COUNT = re.compile(r"[0-9]{1,3}")


@dataclass(frozen=True)
class Request:
    """What the answer depends on: `path` and `query` as they came over the wire, still percent-encoded."""

    method: str
    path: bytes
    query: bytes = b""


@dataclass(frozen=True)
class Response:
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def answer(request: Request, state: State, age_of: AgeOf) -> Response:
    """The response to any request whatever."""
    parts = request.path.split(b"/")
    is_health = parts == [b"", b"healthz"]
    if not is_health and (len(parts) != 5 or parts[:3] != [b"", b"v1", b"recs"]):
        return _problem(HTTPStatus.NOT_FOUND, "there are /v1/recs/{surface}/{id} and /healthz; write / in an id as %2F")
    if request.method != "GET":
        return _problem(HTTPStatus.METHOD_NOT_ALLOWED, f"use GET, not {request.method}", headers=(("allow", "GET"),))
    if is_health:
        return _health(state, age_of)
    return _recommendations(request, state, age_of)


def _recommendations(request: Request, state: State, age_of: AgeOf) -> Response:
    snapshot = state.snapshot
    try:
        surface, query_id = (_text(part) for part in request.path.split(b"/")[3:])
        check_id(query_id)
        length = _length(request.query)
        if snapshot is None:
            return _unavailable()
        document = recommend(snapshot, surface, query_id, length, age_of(snapshot.release.manifest.ds))
    except UnknownSurfaceError as error:
        surfaces = list(snapshot.surfaces) if snapshot else []
        return _problem(HTTPStatus.NOT_FOUND, str(error), extra={"surfaces": surfaces})
    except InputError as error:
        return _problem(HTTPStatus.BAD_REQUEST, str(error))
    return _json(HTTPStatus.OK, document, headers=(*_provenance(snapshot), ("cache-control", "no-cache")))


def _text(part: bytes) -> str:
    try:
        return unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        raise InputError("the path must be percent-encoded UTF-8") from None


def _length(query: bytes) -> int:
    try:
        values = parse_qs(query.decode("latin-1"), keep_blank_values=True).get("k", [str(DEFAULT_LENGTH)])
    except ValueError as error:
        raise InputError(f"the query cannot be read: {error}") from None
    if len(values) == 1 and _COUNT.fullmatch(values[0]) and 1 <= int(values[0]) <= LONGEST_LIST:
        return int(values[0])
    found = ", ".join(repr(value[:20]) for value in values[:3])
    raise InputError(f"k must be one whole number from 1 to {LONGEST_LIST}, found {found}")


def _health(state: State, age_of: AgeOf) -> Response:
    snapshot, refusal = state.snapshot, state.last_refusal
    document: dict[str, Any] = {
        "status": "behind" if state.is_behind else "serving",
        "swaps": state.swaps,
        "last_swap": state.swapped_at,
        "refusals": state.refusals,
        "last_refusal": {"release": refusal.release, "reason": refusal.reason, "at": refusal.at} if refusal else None,
    }
    headers = (("cache-control", "no-store"),)
    if snapshot is None:
        return _json(HTTPStatus.SERVICE_UNAVAILABLE, {**document, "status": "empty", "detail": NOTHING_YET}, headers)
    manifest = snapshot.release.manifest
    served = {
        "release": snapshot.id,
        "model": manifest.model,
        "ds": manifest.ds,
        "age_s": round(age_of(manifest.ds)),
        "surfaces": list(manifest.surfaces),
    }
    return _json(HTTPStatus.OK, {**document, **served}, (*_provenance(snapshot), *headers))


def _provenance(snapshot: Snapshot) -> tuple[tuple[str, str], ...]:
    return ("x-daybreak-release", snapshot.id), ("x-daybreak-ds", snapshot.release.manifest.ds)


def _unavailable() -> Response:
    retry = (("retry-after", RETRY_AFTER_SECONDS),)
    return _problem(HTTPStatus.SERVICE_UNAVAILABLE, NOTHING_YET, headers=retry)


def _problem(
    status: HTTPStatus, detail: str, headers: tuple[tuple[str, str], ...] = (), extra: dict[str, Any] | None = None
) -> Response:
    document = {"type": "about:blank", "title": status.phrase, "status": int(status), "detail": detail, **(extra or {})}
    return _json(status, document, (*headers, ("cache-control", "no-store")), media_type="application/problem+json")


def _json(
    status: HTTPStatus, document: Any, headers: tuple[tuple[str, str], ...], media_type: str = "application/json"
) -> Response:
    body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
    sizes = (("content-type", media_type), ("content-length", str(len(body))))
    return Response(int(status), (*sizes, *headers), body)
