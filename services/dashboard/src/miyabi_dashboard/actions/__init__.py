"""What people do to batches and agents, in their own name."""
