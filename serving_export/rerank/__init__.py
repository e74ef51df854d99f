"""From ranked candidates to a list: what is alike kept apart, caps, what is new, and places for trying things out."""
