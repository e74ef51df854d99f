"""Sentence models as a team would plug them in: one that works, and some that do not."""

from __future__ import annotations

import numpy as np


def by_length(texts: list[str]) -> np.ndarray:
    """Two numbers a text."""
    return np.array([[len(text), len(text.split())] for text in texts])


def by_alphabet(texts: list[str]) -> np.ndarray:
    """Two other numbers a text."""
    return np.array([[ord(min(text)), ord(max(text))] for text in texts])


def too_few_rows(texts: list[str]) -> np.ndarray:
    return by_length(texts)[:1]


def not_a_number(texts: list[str]) -> np.ndarray:
    return by_length(texts) * np.nan


def ragged(texts: list[str]) -> list[list[float]]:
    return [[1.0] * number for number, _ in enumerate(texts)]
