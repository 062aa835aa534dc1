"""How tasks are handed out and come back."""
