"""What a process reads of its environment."""
