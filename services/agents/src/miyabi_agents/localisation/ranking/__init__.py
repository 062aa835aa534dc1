"""Scores files for a text: words, names, places, imports, tests."""
