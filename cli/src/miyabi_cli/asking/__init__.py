"""Reads what a person asks for: arguments, names, files, and the request that is made of them."""
