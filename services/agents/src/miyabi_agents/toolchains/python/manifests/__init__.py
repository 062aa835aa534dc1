"""Reads the files in which Python projects say what they need; runs nothing of them."""
