"""Writes to GitHub, each once."""
