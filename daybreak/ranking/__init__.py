"""The ranker as it serves: features go in, chances come out. No torch, and nothing of how it was taught."""
