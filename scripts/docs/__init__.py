"""Builds the documentation's site: pages from docs/, the reference from the sources, every link checked."""
