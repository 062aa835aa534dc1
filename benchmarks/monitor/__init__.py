"""Rows of the monitor: what it costs, how exact it is, how soon it finds what takes long."""
