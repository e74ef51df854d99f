"""Evaluation, held against plain loops and scikit-learn."""
