"""Rows of the dashboard: fan-out, first views, graphs."""
