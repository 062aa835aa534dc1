"""What the simulated GitHub keeps, and everything that can be done to it."""
