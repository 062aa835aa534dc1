"""What the page and programs read."""
