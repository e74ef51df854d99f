"""Where candidates come from: each source proposes candidates for a block of queries, best first, within its quota."""
