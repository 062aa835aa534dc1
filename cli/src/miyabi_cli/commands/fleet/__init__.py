"""Words on agents, and what they report."""
