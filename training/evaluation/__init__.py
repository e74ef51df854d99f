"""How good a model is: rankings over the whole catalogue, probabilities, segments, confidence."""
