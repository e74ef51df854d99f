"""The features as Feast knows them, and the online store that the night fills."""
