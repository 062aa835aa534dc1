"""GitHub's wire formats, and git over HTTP."""
