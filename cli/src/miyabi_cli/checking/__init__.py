"""Looks of `miyabi doctor` at this machine and at a repository."""
