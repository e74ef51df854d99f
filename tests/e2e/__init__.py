"""Whole nights, as users meet them."""
