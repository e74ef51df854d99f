"""Bringing data in: any source, turned into the landing layout that the night reads."""
