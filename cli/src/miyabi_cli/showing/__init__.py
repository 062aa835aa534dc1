"""Shows what services told: batches, issues, events, agents, results, on a terminal, in a log, for machines."""
