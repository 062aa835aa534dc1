"""Finds Python projects in a repository, and how their tests are run."""
