"""From tables of the lake to what models learn from: id maps, wants, training rows as batches, encoded features."""
