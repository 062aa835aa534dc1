"""Analysers that other toolchains bring themselves, run in the environment of the project."""
