"""How models are fitted: one loop, its losses, its checkpoints."""
