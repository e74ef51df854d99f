"""Tests of the indexing."""
