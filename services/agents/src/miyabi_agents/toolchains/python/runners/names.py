"""Takes a test's name apart: file, group, parameters."""

from __future__ import annotations


def group_of(test: str) -> str:
    """Return the function that a test belongs to: its name without parameters.

    Parameters begin at the first bracket behind the file; they may hold brackets, colons, spaces and words of verdicts.
    """
    file, mark, rest = test.partition("::")
    return f"{file}{mark}{rest.partition('[')[0]}"


def file_of(test: str) -> str:
    """Return the file that a test stands in; for a file's own verdict, that file."""
    return test.partition("::")[0]
