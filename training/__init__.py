"""Learning: teachers, towers and rankers, how they are judged, and the registry they are promoted in."""
