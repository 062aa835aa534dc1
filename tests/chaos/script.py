"""What the synthetic tasks do, by issue number alone: which succeed, which are tried twice, what they write to GitHub."""

from __future__ import annotations

#: The repository that everything happens in.
REPOSITORY = "acme/chaos"
#: Steps that leave a comment.
COMMENTED = ("triage", "review")
#: The label that every issue gets.
LABEL = "chaos:seen"


def fails(issue: int) -> bool:
    """Tell whether the script lets the issue's plan fail for good."""
    return issue % 25 == 7


def is_tried_twice(issue: int) -> bool:
    """Tell whether the first attempt at the issue's plan fails, and may be repeated."""
    return issue % 9 == 4


def needs_fix_round(issue: int) -> bool:
    """Tell whether the issue's first verification fails, so that it is implemented again."""
    return issue % 6 == 5


def branch_of(issue: int) -> str:
    """Return the branch of the issue's pull request: the same for every repeat."""
    return f"miyabi/chaos-{issue}"


def marker_of(step: str, issue: int) -> str:
    """Return the marker of a step's comment: the same for every repeat."""
    return f"chaos:{step}:{issue}"
