"""Spark jobs: landing, and what is counted from landed rows."""
