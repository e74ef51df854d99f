"""The reader over real HTTP: flips under load, refusals, signals and taken ports."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from daybreak.errors import InputError
from daybreak.releases import Release, ReleaseStore
from serving_export.reader import server
from serving_export.reader.app import ReaderApp
from serving_export.reader.layout import LISTS_FILE
from serving_export.reader.watch import Watch

Publish = Callable[[str], Release]

SERVE = """
import sys
from pathlib import Path
from serving_export.reader.server import serve
serve(Path(sys.argv[1]), "127.0.0.1", 0, lambda url, state: print(url, flush=True))
"""


def _python(*arguments: str) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd())}
    return subprocess.Popen(
        [sys.executable, "-c", *arguments],
        env=environment,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def test_a_reader_without_a_release_waits_for_one_and_follows_flips(reader: Any, publish: Publish) -> None:
    """503 before the first release; then each release is served without a restart."""
    with httpx.Client(base_url=reader.url) as client:
        assert client.get("/healthz").status_code == 503
        assert client.get("/v1/recs/for_you/u1").status_code == 503
        for tag in "ab":
            release = publish(tag)
            reader.wait_until_serving(release.id)
            response = client.get("/v1/recs/for_you/u1", params={"k": 3})
            assert response.headers["x-daybreak-release"] == release.id
            assert [item["id"] for item in response.json()["items"]] == [f"{tag}-i{n}" for n in range(3)]
            assert client.get("/healthz").json()["release"] == release.id


def test_a_half_copied_release_is_not_served(
    reader: Any, publish: Publish, build: Publish, store: ReleaseStore
) -> None:
    """The old lists stay, and /healthz says which release was refused and why."""
    old = publish("a")
    reader.wait_until_serving(old.id)
    half = build("b")
    content = (half.path / LISTS_FILE).read_bytes()
    (half.path / LISTS_FILE).write_bytes(content[: len(content) // 2])
    pointer = store.pointer()
    assert pointer is not None
    pointer.flipped(half.id, "publish", "test").write(store.pointer_path)
    with httpx.Client(base_url=reader.url) as client:
        deadline = time.monotonic() + 5
        while (health := client.get("/healthz").json())["refusals"] == 0:
            assert time.monotonic() < deadline, "the release was not refused within 5 s"
        assert (health["status"], health["release"]) == ("behind", old.id)
        assert health["last_refusal"]["release"] == half.id
        assert "bytes" in health["last_refusal"]["reason"]
        assert client.get("/v1/recs/for_you/u1").json()["release"] == old.id


def test_twenty_flips_under_load_fail_no_request_and_tear_no_answer(reader: Any, publish: Publish) -> None:
    """Whatever moment a flip comes at, an answer is of one release: body, header and every item."""
    reader.wait_until_serving(publish("r0").id)
    tags: dict[str, str] = {}
    answers: list[tuple[int, str, dict[str, Any]]] = []
    is_over = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=reader.url) as client:
            while not is_over.is_set():
                response = client.get("/v1/recs/for_you/u1", params={"k": 20})
                answers.append((response.status_code, response.headers["x-daybreak-release"], response.json()))

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for number in range(1, 21):
        release = publish(f"r{number}")
        tags[release.id] = f"r{number}"
        reader.wait_until_serving(release.id)
    is_over.set()
    for thread in threads:
        thread.join()

    assert reader.watch.state.swaps == 21
    assert len({named for _, named, _ in answers}) > 5
    assert {status for status, _, _ in answers} == {200}
    for _, named, body in answers:
        tag = tags.get(named, "r0")
        assert (body["release"], body["model"], len(body["items"])) == (named, f"model-{tag}", 20)
        assert all(item["id"].startswith(f"{tag}-") and item["title"].startswith(f"{tag} ") for item in body["items"])


def test_a_server_that_hands_on_only_the_decoded_path_will_do(publish: Publish, store: ReleaseStore) -> None:
    """ASGI leaves it to the server whether the path comes as it was sent."""
    publish("a")
    watch = Watch(store)
    watch.check()
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError("a GET has no body to wait for")

    scope = {"type": "http", "method": "GET", "path": "/v1/recs/for_you/ü 1", "query_string": b"k=1"}
    asyncio.run(ReaderApp(watch)(scope, receive, send))
    assert sent[0]["status"] == 200
    assert json.loads(sent[1]["body"])["id"] == "ü 1"


def test_a_client_that_speaks_no_http_gets_a_400(reader: Any, publish: Publish) -> None:
    """Raw bytes in the path, which no client should send, are a bad request and end nothing."""
    reader.wait_until_serving(publish("a").id)
    url = httpx.URL(reader.url)
    with socket.create_connection((url.host, url.port or 0), timeout=5) as connection:
        connection.sendall(b"GET /v1/recs/for_you/\xff HTTP/1.1\r\nHost: x\r\n\r\n")
        assert connection.recv(100).startswith(b"HTTP/1.1 400 ")
    assert httpx.get(f"{reader.url}/healthz").status_code == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_the_reader_cleanly(publish: Publish, store: ReleaseStore, number: signal.Signals) -> None:
    """The process ends with status 0 and without a traceback, also while a client keeps its connection."""
    publish("a")
    process = _python(SERVE, str(store.folder.parent))
    assert process.stdout is not None
    try:
        url = process.stdout.readline().strip()
        with httpx.Client(base_url=url) as client:
            assert client.get("/v1/recs/for_you/u1").status_code == 200
            process.send_signal(number)
            _, errors = process.communicate(timeout=20)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "Traceback" not in errors


def test_a_taken_port_is_one_sentence() -> None:
    """Two readers on one port: the second says which address is taken and what to do."""
    with server.listen("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(InputError, match=f"cannot listen on 127.0.0.1 port {port}: .*in use.*--port"):
            server.listen("127.0.0.1", port)


def test_a_host_that_is_not_ours_is_one_sentence() -> None:
    """An address of no interface of this machine is told the same way."""
    with pytest.raises(InputError, match=r"cannot listen on 192\.0\.2\.1 port 8090"):
        server.listen("192.0.2.1", 8090)


@pytest.mark.parametrize("library", ["lmdb", "uvicorn", "uvloop", "httptools"])
def test_a_missing_library_names_the_extra_to_install(library: str) -> None:
    """In an environment without the reader's extra the error says how to get it."""
    program = f"import sys; sys.modules['{library}'] = None\nimport serving_export.reader.server"
    process = _python(program)
    _, errors = process.communicate(timeout=30)
    assert f"{library} is not installed; it belongs to the extra 'reader'" in errors.splitlines()[-1]


def test_the_reader_loads_nothing_of_the_night(tmp_path: Path) -> None:
    """Serving needs its own small extra: no engine of the night is imported, not even indirectly."""
    program = "import sys, serving_export.reader.server; print(*{name.split('.')[0] for name in sys.modules})"
    output, errors = _python(program).communicate(timeout=30)
    assert errors == ""
    heavy = {"airflow", "pyspark", "torch", "pandas", "numpy", "pyarrow", "deltalake", "great_expectations", "polars"}
    assert not heavy & set(output.split())
