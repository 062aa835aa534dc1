"""Judges how an issue or a pull request stands: what of it stands in the way of work."""

from __future__ import annotations

from collections.abc import Iterator

from miyabi_github_gateway.target_facts import OpenPullRequest, Problem, ProblemKind, Standing, Target

#: Pull requests of one issue that a message names; the others are counted.
_NAMED = 3


def issue_problems(target: Target, standing: Standing, *, ours: OpenPullRequest | None, me: str) -> Iterator[Problem]:
    """Yield what of an issue stands in the way.

    Args:
        target: What is to be done.
        standing: How it stands.
        ours: An open pull request of ours for it, told by its head branch.
        me: Our account: what is assigned to it is assigned to nobody else.
    """
    number = standing.number
    what = f"{'Pull request' if target.review else 'Issue'} #{number}"
    if standing.moved_to:
        yield Problem(
            ProblemKind.ISSUE_TRANSFERRED,
            f"Issue #{number} was transferred to {standing.moved_to}.",
            f"Name {standing.moved_to} in a batch of its repository.",
            number,
        )
        return
    if standing.closed:
        remedy = "Open it again, or leave it out."
        yield Problem(ProblemKind.ISSUE_CLOSED, f"{what} is closed.", remedy, number, may_be_overruled=True)
    if standing.locked and target.writes:
        message = f"The conversation of {what[0].lower()}{what[1:]} is locked, so that GitHub may refuse comments."
        remedy = "Unlock the conversation, or leave it out."
        yield Problem(ProblemKind.ISSUE_LOCKED, message, remedy, number, may_be_overruled=True)
    if target.review:
        return
    others = [login for login in standing.assignees if login.casefold() != me.casefold()]
    if others:
        message = f"{what} is assigned to {', '.join(others)}."
        remedy = "Ask whoever it is assigned to, or take the assignment off."
        yield Problem(ProblemKind.ISSUE_ASSIGNED, message, remedy, number, may_be_overruled=True)
    yield from _pull_requests(what, standing, ours)


def _pull_requests(what: str, standing: Standing, ours: OpenPullRequest | None) -> Iterator[Problem]:
    """Yield that pull requests for an issue are open, those of ours first."""
    found = {one.number: one for one in ([ours] if ours else []) + list(standing.pull_requests)}
    if not found:
        return
    ordered = sorted(found.values(), key=lambda one: (not one.ours, one.number))
    named = ", ".join(f"#{one.number} ({_author(one)})" for one in ordered[:_NAMED])
    further = len(ordered[_NAMED:]) + standing.more_pull_requests
    more = f" and {further} more" if further else ""
    yield Problem(
        ProblemKind.PULL_REQUEST_OPEN,
        f"{what} has open pull requests: {named}{more}.",
        f"Merge or close {ordered[0].url}, or leave the issue out.",
        standing.number,
        may_be_overruled=True,
    )


def _author(pull_request: OpenPullRequest) -> str:
    """Return whose it is."""
    if pull_request.ours:
        return "ours"
    return f"by {pull_request.author}" if pull_request.author else "by an account that is gone"
