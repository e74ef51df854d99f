"""The night's report: one page per night that tells what happened, why, and what to do next; an index of all nights."""
