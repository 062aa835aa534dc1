"""Credentials of GitHub: an app's or a token, and what they may do."""
