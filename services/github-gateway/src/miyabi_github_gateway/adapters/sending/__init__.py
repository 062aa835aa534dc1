"""Sends requests to GitHub: within its limits, again where that helps, with its refusals in words."""
