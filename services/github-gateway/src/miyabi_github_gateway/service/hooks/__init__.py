"""What GitHub tells of itself, and the batches that it starts."""
