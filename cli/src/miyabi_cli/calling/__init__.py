"""Calls of services: channels, what is asked, what is refused, and messages as JSON."""
