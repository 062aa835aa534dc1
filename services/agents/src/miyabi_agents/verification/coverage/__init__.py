"""Measures which lines of a change its tests execute, in a run of its own that has no say on the verdict."""
