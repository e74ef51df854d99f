"""Who may import whom, and that the folders with generic names are ours."""

from __future__ import annotations

import importlib
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from tests.architecture.modules import FOLDERS, ROOT


def test_the_import_contracts_hold() -> None:
    """import-linter, with the contracts of pyproject.toml, none of them left out."""
    program = Path(sys.executable).with_name("lint-imports")
    run = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert run.returncode == 0, run.stdout
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    assert len(contracts) >= 5
    assert f"Contracts: {len(contracts)} kept, 0 broken." in run.stdout


@pytest.mark.parametrize("folder", ["daybreak", "jobs", "validation", "serving_export", "dags"])
def test_the_folder_that_is_imported_is_ours(folder: str) -> None:
    """`dags` and `validation` are also names of published distributions."""
    found = importlib.import_module(folder).__file__
    assert found is not None
    assert Path(found).is_relative_to(ROOT)


def test_no_module_has_the_name_of_one_of_the_standard_library() -> None:
    """A folder that a tool puts on the path would shadow it."""
    names = {path.stem for folder in FOLDERS if folder != "daybreak" for path in (ROOT / folder).glob("*.py")}
    assert names
    assert not names & set(sys.stdlib_module_names)
