"""Run in the sandbox, by file: no part of what the agent imports."""
