"""The loop that fits models, held against runs of itself that must come out the same."""
