"""One class a kind of task."""
