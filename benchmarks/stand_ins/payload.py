"""The kilobyte that goes into each task and comes back, where a real task has its text."""

from __future__ import annotations

#: Characters of a task's input and of its result, as the peers have them.
SIZE = 1024


def payload_of(number: int) -> str:
    """Return the text of an issue: its title, which the lease carries, and the analysis that comes back."""
    return f"{number:08}".ljust(SIZE, "x")
