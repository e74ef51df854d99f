"""Rules that every source file keeps, read from its syntax tree."""

from __future__ import annotations

import ast
from collections.abc import Iterator

import pytest

from tests.architecture.modules import Module, modules

CLOCKS = {"now", "utcnow", "today", "time", "time_ns", "localtime", "gmtime"}
OWNERS = {"datetime", "date", "time", "dt", "pd", "Timestamp"}
MAY_ASK_THE_TIME = {
    "daybreak/clock.py",
    "daybreak/embedded/airflow.py",  # compares with the times that Airflow stamps
    "daybreak/orchestration.py",  # tells when a task ran
}
CHANCE = ("random.", "secrets.", "uuid.uuid", "np.random.rand", "np.random.choice", "np.random.seed", "os.urandom")
MAY_DRAW_SECRETS = {"daybreak/embedded/airflow_settings.py", "daybreak/embedded/postgres.py"}
LONGEST_FILE, LONGEST_FUNCTION = 350, 60

EVERY_MODULE = pytest.mark.parametrize("module", modules(), ids=lambda module: module.name)


def test_there_are_modules_to_look_at() -> None:
    """An empty list would pass every rule."""
    names = {module.name for module in modules()}
    assert len(names) > 80
    assert {"daybreak/runner.py", "jobs/ingest.py", "serving_export/publish.py", "dags/nightly_dag.py"} <= names


@EVERY_MODULE
def test_the_clock_is_asked_in_one_place(module: Module) -> None:
    """What is computed depends on the day that is given, never on the moment it runs."""
    asked = [f"line {call.lineno}: {ast.unparse(call)}" for call in _calls(module.tree) if _asks_the_time(call)]
    assert not asked or module.name in MAY_ASK_THE_TIME


@EVERY_MODULE
def test_chance_comes_from_seeds(module: Module) -> None:
    """No generator without a seed; secrets are drawn where passwords are made and nowhere else."""
    found = [f"line {call.lineno}: {ast.unparse(call)}" for call in _calls(module.tree) if _draws_by_chance(call)]
    assert not found or module.name in MAY_DRAW_SECRETS


@EVERY_MODULE
def test_every_module_says_what_it_is_for(module: Module) -> None:
    """Its docstring is the first thing in it; only a file with nothing in it needs none."""
    assert not module.tree.body or ast.get_docstring(module.tree), f"{module.name} begins without a docstring"


@EVERY_MODULE
def test_files_and_functions_stay_small(module: Module) -> None:
    """A file of at most 350 lines, a function of at most 60."""
    lines = len(module.path.read_text(encoding="utf-8").splitlines())
    assert lines <= LONGEST_FILE
    long = [
        f"{node.name} ({node.end_lineno - node.lineno + 1} lines)"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno is not None
        and node.end_lineno - node.lineno + 1 > LONGEST_FUNCTION
    ]
    assert not long


def _calls(tree: ast.Module) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


def _asks_the_time(call: ast.Call) -> bool:
    if not isinstance(call.func, ast.Attribute) or call.func.attr not in CLOCKS:
        return False
    owner = ast.unparse(call.func.value).rsplit(".", 1)[-1]
    return owner in OWNERS


def _draws_by_chance(call: ast.Call) -> bool:
    called = ast.unparse(call.func)
    return called.startswith(CHANCE) or (called.endswith("default_rng") and not call.args)
