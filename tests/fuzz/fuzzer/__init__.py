"""Runs parsers on bytes that strangers could have written, and tells which of them crash, hang or slow down."""
