"""How fast and how fairly work is handed out, watched, and kept."""
