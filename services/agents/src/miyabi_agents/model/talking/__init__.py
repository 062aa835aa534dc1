"""Conversations: their messages, their windows, what ends them."""
