"""The night's report: a page a night that tells what happened, why, and what to do next; an index of all nights."""
