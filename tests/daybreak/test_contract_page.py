"""The page of contracts cannot rot."""

from __future__ import annotations

from daybreak.contract_page import contracts_page
from daybreak.datasets import DATASETS
from tests.conftest import REPOSITORY


def test_the_page_of_contracts_is_what_the_declarations_say() -> None:
    """`make fmt` writes the page; a changed declaration without it fails here."""
    assert (REPOSITORY / "docs" / "contracts.md").read_text() == contracts_page()


def test_the_page_names_every_dataset_and_column() -> None:
    """Nothing that is declared is left out."""
    page = contracts_page()
    for dataset in DATASETS.values():
        assert f"## {dataset.name}\n" in page
        assert all(f"| `{column.name}` |" in page for column in dataset.columns)
