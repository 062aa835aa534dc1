"""What people read of the command without running it: which words there are, with examples, and their help."""
