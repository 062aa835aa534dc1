"""What stands in the way of work is found before it begins: of the repository, and of each issue."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc
import pytest
from running_gateway import REPOSITORY, Running, gateway_before, push_branches, simulated

from miyabi.common.v1.problem_pb2 import ProblemKind
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as pb
from miyabi_github_gateway.service.target.rules import forbidding, undecided
from miyabi_github_gateway.target_facts import BranchRule

#: What a batch that changes code does.
WORK = {"writes_issues": True, "writes_changes": True}
#: Said of every repository: GitHub shows classic branch protections to administrators only.
CLASSIC = "Whether a classic branch protection covers"


async def check(gateway: Running, *numbers: int, **options: Any) -> pb.CheckTargetResponse:
    """Ask the gateway."""
    return await gateway.stub.CheckTarget(
        pb.CheckTargetRequest(**{"repository": REPOSITORY, "numbers": numbers, **options})
    )


def kinds(answer: pb.CheckTargetResponse) -> list[tuple[str, int]]:
    """Return the problems by kind and number."""
    return [(ProblemKind.Name(one.kind).removeprefix("PROBLEM_KIND_"), one.issue_number) for one in answer.problems]


async def open_pull_request(gateway: Running, branch: str, **fields: Any) -> int:
    """Open a pull request as anyone could."""
    push_branches(gateway, branch)
    body = {"title": "T", "head": branch, "base": "main", **fields}
    answer = await gateway.gateway.http.rest("POST", f"/repos/{REPOSITORY}/pulls", json=body)
    return int(answer.json()["number"])


async def test_no_problem_is_an_answer_without_problems(running_gateway: Running) -> None:
    """Nothing stands in the way of a usual repository; what GitHub never tells is named."""
    answer = await check(running_gateway, 1, 2, **WORK)
    assert kinds(answer) == []
    assert [sentence.startswith(CLASSIC) for sentence in answer.not_known] == [True]


#: How a repository is made to stand in the way, and as what it is found.
REPOSITORY_STATES: dict[str, tuple[Callable[[Any], object], str]] = {
    "archived": (lambda states: states.repository(REPOSITORY, archived=True), "REPOSITORY_ARCHIVED"),
    "disabled": (lambda states: states.repository(REPOSITORY, disabled=True), "REPOSITORY_ARCHIVED"),
    "without issues": (lambda states: states.repository(REPOSITORY, has_issues=False), "ISSUES_DISABLED"),
    "read only": (lambda states: states.repository(REPOSITORY, viewer_permission="READ"), "PERMISSION_MISSING"),
    "triage only": (lambda states: states.repository(REPOSITORY, viewer_permission="TRIAGE"), "PERMISSION_MISSING"),
    "no new branches": (lambda states: states.rule(REPOSITORY, "creation"), "BRANCH_FORBIDDEN"),
    "no updates": (lambda states: states.rule(REPOSITORY, "update"), "BRANCH_FORBIDDEN"),
    "pull requests only": (lambda states: states.rule(REPOSITORY, "pull_request"), "BRANCH_FORBIDDEN"),
    "signed only": (lambda states: states.rule(REPOSITORY, "required_signatures"), "BRANCH_FORBIDDEN"),
    "ours only": (
        lambda states: states.rule(REPOSITORY, "creation", include=("refs/heads/miyabi/**",)),
        "BRANCH_FORBIDDEN",
    ),
    "names": (
        lambda states: states.rule(
            REPOSITORY,
            {"type": "branch_name_pattern", "parameters": {"operator": "starts_with", "pattern": "feature/"}},
        ),
        "BRANCH_FORBIDDEN",
    ),
}


@pytest.mark.parametrize("state", sorted(REPOSITORY_STATES))
async def test_state_of_a_repository_is_found(running_gateway: Running, state: str) -> None:
    """Each state in which GitHub would refuse the work is one problem of the repository, with what to do about it."""
    make, expected = REPOSITORY_STATES[state]
    make(running_gateway.github.states)
    answer = await check(running_gateway, **WORK)
    assert kinds(answer) == [(expected, 0)]
    (problem,) = answer.problems
    assert [text[-1] for text in (problem.message, problem.remedy)] == [".", "."]
    assert problem.may_be_overruled is False


@pytest.mark.parametrize(
    "state",
    [
        lambda states: states.rule(REPOSITORY, "creation", include=("~DEFAULT_BRANCH",)),
        lambda states: states.rule(REPOSITORY, "creation", include=("refs/heads/release/*",)),
        lambda states: states.rule(REPOSITORY, "creation", bypassed=True),
        lambda states: states.rule(REPOSITORY, "deletion", "non_fast_forward"),
        lambda states: states.rule(
            REPOSITORY, {"type": "branch_name_pattern", "parameters": {"operator": "starts_with", "pattern": "miyabi/"}}
        ),
    ],
    ids=["default branch", "other names", "bypassed", "of no concern", "names like ours"],
)
async def test_rule_that_lets_our_branches_be_is_no_problem(
    running_gateway: Running, state: Callable[[Any], object]
) -> None:
    """A rule for other branches, one that may be bypassed, or one on what we never do stands in no way."""
    state(running_gateway.github.states)
    answer = await check(running_gateway, **WORK)
    assert (kinds(answer), len(answer.not_known)) == ([], 1)


async def test_rule_that_depends_on_the_change_is_not_known(running_gateway: Running) -> None:
    """Whether a pattern of commit messages is kept shows only when there is a commit; the rule is named."""
    parameters = {"operator": "regex", "pattern": "^[A-Z]+-1"}
    running_gateway.github.states.rule(REPOSITORY, {"type": "commit_message_pattern", "parameters": parameters})
    answer = await check(running_gateway, **WORK)
    assert (kinds(answer), ["commit_message_pattern" in said for said in answer.not_known]) == ([], [False, True])


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("^([a-z0-9/-]+)+_$", False), ("^(([a-z0-9/-]+)+)+_$", False), ("^(miyabi|feature)/", True), ("^(?!miyabi)", None),
        ("(", None), ("^(a{1000}){1000}$", None),
    ],
)  # fmt: skip
def test_any_expression_on_names_is_judged_at_once(pattern: str, expected: bool | None) -> None:
    """Whoever owns a repository writes it: none is tried in exponentially many ways, and what is none decides nothing."""
    rule = BranchRule("branch_name_pattern", "names", operator="regex", pattern=pattern)
    assert (list(forbidding([rule])) == [rule], list(undecided([rule])) == [rule]) == (
        expected is False,
        expected is None,
    )


async def test_branch_named_miyabi_shadows_ours(running_gateway: Running) -> None:
    """Git keeps names as paths, so that nothing can be made below a branch `miyabi`."""
    push_branches(running_gateway, "miyabi")
    assert kinds(await check(running_gateway, **WORK)) == [("BRANCH_SHADOWED", 0)]


@pytest.mark.parametrize("state", ["archived", "read only", "no new branches"])
async def test_dry_run_asks_for_nothing_that_it_does_not_need(running_gateway: Running, state: str) -> None:
    """Without writes only what is so in any case is told: that nothing can be written, which may be overruled then."""
    REPOSITORY_STATES[state][0](running_gateway.github.states)
    answer = await check(running_gateway, 1)
    found = [(kind, one.may_be_overruled) for (kind, _), one in zip(kinds(answer), answer.problems, strict=True)]
    assert found == ([("REPOSITORY_ARCHIVED", True)] if state == "archived" else [])


#: How an issue is made to stand in the way, and as what it is found.
ISSUE_STATES: dict[str, tuple[Callable[[Any], object], str]] = {
    "closed": (lambda states: states.issue(REPOSITORY, 2, state="closed"), "ISSUE_CLOSED"),
    "locked": (lambda states: states.issue(REPOSITORY, 2, locked=True), "ISSUE_LOCKED"),
    "assigned": (lambda states: states.issue(REPOSITORY, 2, assignees=["ada"]), "ISSUE_ASSIGNED"),
}


@pytest.mark.parametrize("state", sorted(ISSUE_STATES))
async def test_state_of_an_issue_is_found(running_gateway: Running, state: str) -> None:
    """Each state of an issue is a problem with its number, which may be overruled."""
    make, expected = ISSUE_STATES[state]
    make(running_gateway.github.states)
    answer = await check(running_gateway, 1, 2, 3, **WORK)
    assert (kinds(answer), answer.problems[0].may_be_overruled) == ([(expected, 2)], True)


async def test_what_is_assigned_to_us_is_assigned_to_nobody_else(running_gateway: Running) -> None:
    """Our own account's assignment stands in no way."""
    running_gateway.github.states.issue(REPOSITORY, 2, assignees=["miyabi-bot"])
    assert kinds(await check(running_gateway, 2, **WORK)) == []


async def test_transferred_issue_is_told_with_its_new_place(tmp_path: Path, redis_url: str) -> None:
    """GraphQL knows nothing of it, REST leads on: where it is now is said; one that never was is not known."""
    async with simulated(tmp_path) as (github, token), gateway_before(github, token, redis_url) as gateway:
        github.states.fork(REPOSITORY, owner="beta")
        github.states.repository("beta/toy", has_issues=True)
        github.states.transfer(REPOSITORY, 2, to="beta/toy")
        answer = await check(gateway, 1, 2, 77, **WORK)
    assert kinds(answer) == [("ISSUE_TRANSFERRED", 2)]
    assert answer.problems[0].message == "Issue #2 was transferred to beta/toy#1."
    assert answer.not_known[1:] == ["No issue of this number is to be seen: #77."]


@pytest.mark.parametrize("word", ["Fixes", "closes", "Resolved:"])
async def test_open_pull_request_for_an_issue_is_found(running_gateway: Running, word: str) -> None:
    """A person's pull request that will close an issue is named; one that only mentions it is not for it."""
    number = await open_pull_request(running_gateway, "feature", body=f"{word} #2, see #3")
    answer = await check(running_gateway, 2, 3, **WORK)
    assert kinds(answer) == [("PULL_REQUEST_OPEN", 2)]
    assert answer.problems[0].message == f"Issue #2 has open pull requests: #{number} (by miyabi-bot)."


async def test_our_own_pull_request_of_another_batch_is_found_by_its_branch(running_gateway: Running) -> None:
    """It is ours by its head branch, whatever its text says; of issue 20 it says nothing of issue 2."""
    number = await open_pull_request(running_gateway, "miyabi/issue-20-0123456789", body="")
    answer = await check(running_gateway, 2, 20, **WORK)
    assert kinds(answer) == [("PULL_REQUEST_OPEN", 20)]
    assert f"#{number} (ours)" in answer.problems[0].message
    # It is told whatever was asked about: other issues may ask for the same.
    (ours,) = (await check(running_gateway, 2, **WORK)).ours
    assert (ours.issue_number, ours.number, ours.url.rpartition("/")[2]) == (20, number, str(number))


async def test_closed_pull_request_stands_in_no_way(running_gateway: Running) -> None:
    """Only open ones count."""
    number = await open_pull_request(running_gateway, "miyabi/issue-2-0123456789", body="Fixes #2")
    await running_gateway.gateway.http.rest("PATCH", f"/repos/{REPOSITORY}/pulls/{number}", json={"state": "closed"})
    assert kinds(await check(running_gateway, 2, **WORK)) == []


async def test_review_looks_at_pull_requests(running_gateway: Running) -> None:
    """For a review the numbers are pull requests: an issue's number is none, and a closed one is told."""
    number = await open_pull_request(running_gateway, "feature")
    await running_gateway.gateway.http.rest("PATCH", f"/repos/{REPOSITORY}/pulls/{number}", json={"state": "closed"})
    answer = await check(running_gateway, 1, number, review=True)
    assert kinds(answer) == [("ISSUE_CLOSED", number)]
    assert answer.not_known == ["No pull request, but the number of an issue: #1."]


async def test_problems_come_with_the_repository_first_then_by_number(running_gateway: Running) -> None:
    """All problems are in one answer, in a fixed order."""
    states = running_gateway.github.states
    states.rule(REPOSITORY, "creation")
    states.issue(REPOSITORY, 9, state="closed", locked=True)
    states.issue(REPOSITORY, 4, assignees=["ada"])
    answer = await check(running_gateway, 9, 4, **WORK)
    assert kinds(answer) == [("BRANCH_FORBIDDEN", 0), ("ISSUE_ASSIGNED", 4), ("ISSUE_CLOSED", 9), ("ISSUE_LOCKED", 9)]


async def test_it_reads_afresh(running_gateway: Running) -> None:
    """What has changed since the last look is seen at once."""
    assert kinds(await check(running_gateway, 2, **WORK)) == []
    running_gateway.github.states.issue(REPOSITORY, 2, state="closed")
    assert kinds(await check(running_gateway, 2, **WORK)) == [("ISSUE_CLOSED", 2)]


@pytest.mark.parametrize(
    ("name", "branch"), [("acme/nothing", ""), (REPOSITORY, "nothing")], ids=["repository", "branch"]
)
async def test_what_is_not_there_is_an_error(running_gateway: Running, name: str, branch: str) -> None:
    """A repository or a base branch that does not exist is NOT_FOUND."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await check(running_gateway, 1, repository=name, base_branch=branch, **WORK)
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


async def test_few_queries_for_many_issues(running_gateway: Running) -> None:
    """Forty issues take two queries, since twenty-five travel together until GitHub is known to be quick."""
    await check(running_gateway, *range(1, 41), **WORK)
    reads = running_gateway.reads()
    assert (reads.count("CheckNumbers"), reads.count("CheckRepository"), reads.count("OurBranches")) == (2, 1, 1)
