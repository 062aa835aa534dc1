"""What runs between the agent and a command: standard library only, and nothing of it may wait for the agent."""
