"""The page `docs/contracts.md`, written from the datasets' declarations: `python -m daybreak.contract_page >
docs/contracts.md`."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from daybreak.contracts import Column, Dataset
from daybreak.datasets import DATASETS

HEAD = """# The contracts

What every dataset promises. `make fmt` writes this page from `daybreak/datasets.py`; a test fails where it is stale.

Delivered datasets come as JSON lines in `landing/<name>/ds=<day>/*.jsonl[.gz]`. A value may come as text or as a
number; a column that may be null may be left out; columns that are not named here are ignored. Times are ISO 8601, UTC
where no zone is given.
"""


def contracts_page() -> str:
    """The whole page, in Markdown."""
    return "\n".join([HEAD, *(line for dataset in DATASETS.values() for line in _section(dataset))])


def _section(dataset: Dataset) -> Iterator[str]:
    yield f"## {dataset.name}\n"
    yield f"{dataset.doc}\n"
    yield f"Key: {_names(dataset.key)}. Partition: {_names(dataset.partition)}."
    if dataset.delivery:
        yield f"Delivered {'every day' if dataset.delivery.required else 'when there is something new'}."
    yield "\n| column | type | null | rules | meaning |\n| --- | --- | --- | --- | --- |"
    yield from (_row(column) for column in dataset.columns)
    yield ""


def _row(column: Column) -> str:
    rules = "; ".join(rule.says() for rule in column.rules).replace("|", "\\|")
    return f"| `{column.name}` | {column.type} | {'yes' if column.nullable else 'no'} | {rules} | {column.doc} |"


def _names(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)


if __name__ == "__main__":
    sys.stdout.write(contracts_page())
