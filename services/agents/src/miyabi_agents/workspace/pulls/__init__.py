"""Pull requests: what GitHub has of them, and what they change."""
