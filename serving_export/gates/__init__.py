"""Judging the lists of a night as lists, before anybody sees them."""
