"""Reads what a file says: its names, its definitions, its imports."""
