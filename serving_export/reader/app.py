"""The reader as an ASGI application: any ASGI server can run it, with any middleware around it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import quote

from daybreak import clock
from serving_export.reader.core import AgeOf, Request, answer
from serving_export.reader.watch import Watch

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class ReaderApp:
    """Answers from what `watch` serves at the moment of the request. Whoever makes the watch starts and stops it."""

    def __init__(self, watch: Watch, age_of: AgeOf = clock.seconds_since_end_of) -> None:
        self._watch = watch
        self._age_of = age_of

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        path = scope.get("raw_path") or quote(scope["path"]).encode()  # not every server hands on what it was sent
        request = Request(scope["method"], path, scope["query_string"])
        response = answer(request, self._watch.state, self._age_of)
        headers = [(name.encode(), value.encode("latin-1")) for name, value in response.headers]
        await send({"type": "http.response.start", "status": response.status, "headers": headers})
        await send({"type": "http.response.body", "body": response.body})
