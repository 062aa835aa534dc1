"""Runs a repository's tests on base and on a change, and compares test by test."""
