"""Ranking candidates: what the champion ranker foresees of each, from the features of the night."""
