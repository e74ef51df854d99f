"""The proof that no training row sees its future: a copy of the lake, a future planted into it, and both compared."""
