"""Says how the environment of a Python project is built."""
