"""What is learned for these tests is small, so one thread is quickest."""

from __future__ import annotations

from tests.training.conftest import one_thread

__all__ = ["one_thread"]
