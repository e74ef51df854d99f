"""From candidates to served lists: merge, gate, snapshot, and the reader that answers from it."""
