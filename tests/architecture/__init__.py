"""Tests of the rules that the house as a whole keeps."""
