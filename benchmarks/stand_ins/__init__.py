"""Processes that stand around the coordinator in a benchmark: a gateway, agents and clients, each by itself."""
