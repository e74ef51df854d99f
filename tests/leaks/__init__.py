"""The proof that training rows do not see their future."""
