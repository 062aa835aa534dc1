"""The cache that replicas share, and news of what changed."""
