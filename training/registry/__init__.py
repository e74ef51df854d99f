"""The registry: MLflow, what is logged there, which version serves, and why."""
