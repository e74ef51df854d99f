"""Checks on data and on what was made of it: audits by Great Expectations, and the night's report."""
