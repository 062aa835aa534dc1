"""Text files as they are stored: encodings, ends of lines, and edits that keep every byte elsewhere."""
