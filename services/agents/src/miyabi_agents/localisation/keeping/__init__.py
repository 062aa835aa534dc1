"""Keeps what is known of files on disk, and reads commits as far as they differ."""
