"""Reads of many callers in one query."""
