"""The models, each with flat arguments only; `training/builders.py` turns configuration into them."""
