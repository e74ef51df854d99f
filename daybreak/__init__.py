"""Daybreak: the small core that every part of the night stands on."""
