"""Tests of the registry, on a real MLflow in an SQLite file."""
