"""The home that has learned, which its own tests make."""

from __future__ import annotations

from tests.training.conftest import empty_database, learned, one_thread

__all__ = ["empty_database", "learned", "one_thread"]
