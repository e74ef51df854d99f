"""The peers' own environment: their libraries cannot be installed beside ours.

It is made on first use in `.venv-peers` from `benchmarks/peers.txt`, which names everything that is installed; nothing
else is, so that no library brings a build of its own for devices that are not there. A changed list makes it anew.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PINNED = HERE / "peers.txt"
FOLDER = HERE.parent / ".venv-peers"
STAMP = FOLDER / ".installed"


def peers_python() -> Path:
    """The interpreter of the environment, which is made where it is not there as listed."""
    python = FOLDER / "bin" / "python"
    if STAMP.exists() and STAMP.read_text() == PINNED.read_text():
        return python
    print(f"{FOLDER.name}: installing what {PINNED.name} lists", file=sys.stderr)
    _run([sys.executable, "-m", "venv", "--clear", str(FOLDER)])
    (FOLDER / ".gitignore").write_text("*\n")
    uv = Path(sys.executable).with_name("uv")
    _run([str(uv), "pip", "install", "--python", str(python), "--quiet", "--no-deps", "--requirements", str(PINNED)])
    STAMP.write_text(PINNED.read_text())
    return python


def run_peer(script: str, *arguments: str) -> None:
    """Runs a script of this folder in the environment; what it prints goes to stderr."""
    _run([str(peers_python()), str(HERE / script), *arguments])


class Peer:
    """A script of this folder that runs in the environment, and says a line whenever it is asked to."""

    def __init__(self, script: str, *arguments: str) -> None:
        command = [str(peers_python()), str(HERE / script), *arguments]
        self._script = script
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self) -> str:
        """What it says when it is asked once more."""
        assert self._process.stdin
        print("go", file=self._process.stdin, flush=True)
        return self.line()

    def line(self) -> str:
        """What it says next."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit(f"{self._script} ended without an answer; its own words stand above")
        return line

    def end(self) -> None:
        assert self._process.stdin
        self._process.stdin.close()
        self._process.wait()


def _run(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=sys.stderr, env=_surroundings())


def _surroundings() -> dict[str, str]:
    """What uv is told where pip has been told it, as in the Makefile."""
    found = dict(os.environ)
    asked = [sys.executable, "-m", "pip", "config", "get", "global.find-links"]
    links = subprocess.run(asked, check=False, capture_output=True, text=True).stdout.strip()
    told = {
        "UV_FIND_LINKS": links or found.get("PIP_FIND_LINKS"),
        "UV_DEFAULT_INDEX": found.get("PIP_INDEX_URL"),
        "UV_INDEX": found.get("PIP_EXTRA_INDEX_URL"),
    }
    return {name: value for name, value in told.items() if value} | found
