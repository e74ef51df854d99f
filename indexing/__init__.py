"""Indexes of vectors: built by specification, proven by gates, searched whole, in shards and with what came since."""
