"""Measures what happens, finds what takes long and says what would help."""
