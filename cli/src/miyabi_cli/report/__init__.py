"""A report of what was measured: its contents once, and a way to show them for each place that it is read in."""
