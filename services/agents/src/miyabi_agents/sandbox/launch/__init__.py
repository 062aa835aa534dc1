"""What runs between the agent and a command: standard library only, and none of it is imported by the agent's own code
but for constants and the probe.
"""
