"""Asks GitHub by REST."""
