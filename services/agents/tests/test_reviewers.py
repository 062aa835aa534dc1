"""Who asked for a batch is asked to review its draft, where that is a user of GitHub's."""

from __future__ import annotations

from typing import Any

import pytest

from miyabi.common.v1.problem_pb2 import ProblemKind
from miyabi_agents.agents.pull_request import PullRequestAgent, reviewers_of
from miyabi_core.access.identities import IdentityEntry
from services.agents.tests.test_only_one_pull_request import Opening, inputs

OPEN = ProblemKind.PROBLEM_KIND_PULL_REQUEST_OPEN
REFUSED = "octocat could not be asked for a review: Reviews may only be requested from collaborators."


async def test_requester_is_asked_and_a_refusal_is_said(workshop: Any) -> None:
    """The request names the login; that GitHub does not take it stands among the notes of a pull request that is there."""
    workshop.gateway.opening = opening = Opening(REFUSED)
    given = inputs(workshop, requester="github/octocat", overruled=[OPEN])
    outcome = await workshop.run(PullRequestAgent(), inputs=given)
    assert [list(request.reviewers) for request in opening.asked] == [["octocat"]]
    assert (outcome.pull_request.number, list(outcome.pull_request.notes)) == (9, [REFUSED])


@pytest.mark.parametrize(
    ("requester", "asked"),
    [
        ("github/octocat", ["octocat"]),
        ("github/mona_acme", ["mona_acme"]),
        ("octocat", []),
        ("local", []),
        ("", []),
        ("github/", []),
        ("github/-x", []),
        ("github/a/b", []),
        (f"github/{'x' * 40}", []),
        ("ci/github/octocat", []),
    ],
)
def test_only_a_name_that_says_so_is_a_user(requester: str, asked: list[str]) -> None:
    """A name that only happens to be somebody's login notifies nobody."""
    assert reviewers_of(requester) == asked


def test_identities_may_be_called_so() -> None:
    """The file of identities takes the form, with the longest login there is."""
    entry = IdentityEntry.model_validate(
        {"name": f"github/{'x' * 39}", "roles": ["submitter"], "tokens": [{"sha256": "0" * 64}]}
    )
    assert reviewers_of(entry.identity().name) == ["x" * 39]
