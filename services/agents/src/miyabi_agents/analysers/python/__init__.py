"""Analysers of Python code."""
