"""What stands in the way of a batch: said in a table with what to do, as an object for machines, and overruled by name."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from checkouts import PLAIN, write
from scripted_coordinator import NAME, ScriptedCoordinator, story
from test_commands import miyabi, run_against

from miyabi.common.v1.problem_pb2 import Problem, ProblemKind
from miyabi.coordinator.v1 import coordinator_service_pb2 as pb
from miyabi.coordinator.v1.coordinator_service_pb2_grpc import add_CoordinatorServiceServicer_to_server
from miyabi.github_gateway.v1 import github_gateway_service_pb2 as gateway_pb
from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import (
    GitHubGatewayServiceServicer,
    add_GitHubGatewayServiceServicer_to_server,
)
from miyabi_cli.asking.request import BatchOptions, build_request
from miyabi_cli.calling.problems import complete_kinds, kind_name, kinds_of, overrulable
from miyabi_cli.errors import CliError
from miyabi_core.errors import FailedPreconditionError, UnmetCondition
from miyabi_core.testing import running_server
from miyabi_sim.github import SimulatedGitHub

GATEWAY = "miyabi.github_gateway.v1.GitHubGatewayService"
CLOSED = UnmetCondition("ISSUE_CLOSED", "a/b#7", "Issue #7 is closed. Open it again, or leave it out.")
OPEN = UnmetCondition("PULL_REQUEST_OPEN", "a/b#8", "Issue #8 has an open pull request. Close it.")
SHADOWED = UnmetCondition("BRANCH_SHADOWED", "a/b", "a/b has a branch named miyabi. Rename [bold]it[/bold].")


class Refusing(ScriptedCoordinator):
    """Refuses a batch whose request does not overrule everything that stands in its way."""

    def __init__(self, *unmet: UnmetCondition, overrulable: str, more: int = 0) -> None:
        super().__init__(story())
        metadata = {"overrulable": overrulable} | ({"more": str(more)} if more else {})
        self.refusal = FailedPreconditionError("3 problems.", reason="PROBLEMS_FOUND", metadata=metadata, unmet=unmet)
        self.overrulable = {f"PROBLEM_KIND_{name}" for name in overrulable.split(",")}

    async def SubmitBatch(self, request: pb.SubmitBatchRequest, context: Any) -> AsyncIterator[pb.SubmitBatchResponse]:  # noqa: N802
        if self.overrulable - {ProblemKind.Name(kind) for kind in request.overrule}:
            raise self.refusal
        async for answer in super().SubmitBatch(request, context):
            yield answer


async def test_refusal_is_a_table_with_the_options_that_overrule_it() -> None:
    """Each problem with what to do, what cannot be overruled, and the options for the rest; exit code 2, no trace."""
    refusing = Refusing(SHADOWED, CLOSED, OPEN, overrulable="ISSUE_CLOSED,PULL_REQUEST_OPEN", more=4)
    code, output, errors = await run_against(refusing, "submit", "a/b", "--issues", "7,8")
    assert (code, output) == (2, "")
    for condition, kind in ((SHADOWED, "branch-shadowed"), (CLOSED, "issue-closed"), (OPEN, "pull-request-open")):
        (line,) = [line for line in errors.splitlines() if condition.description in line]
        assert kind in line
        assert f" {condition.subject} " in line
    assert "4 more are not listed" in errors
    assert "cannot be overruled: branch-shadowed" in errors
    assert errors.rstrip().endswith("--force issue-closed --force pull-request-open")
    assert "Traceback" not in errors


async def test_an_address_in_a_refusal_is_never_broken() -> None:
    """Where the table does not fit, each problem is lines, and the terminal alone wraps them."""
    address = "https://github.example.com/an-owner-with-a-long-name/a-repository/pull/12345"
    unmet = UnmetCondition("PULL_REQUEST_OPEN", "a/b#8", f"Issue #8 has an open pull request. Close {address} first.")
    refusing = Refusing(unmet, overrulable="PULL_REQUEST_OPEN")
    async with running_server((add_CoordinatorServiceServicer_to_server, refusing, NAME)) as target:
        code, _, errors = await miyabi("submit", "a/b", "--issues", "8", target=target, COLUMNS="60")
    assert code == 2
    assert errors.splitlines()[1:4] == [
        "a/b#8", "  kind: pull-request-open", f"  what is wrong, and what to do: {unmet.description}",
    ]  # fmt: skip


async def test_options_that_are_named_let_the_batch_begin() -> None:
    """What the refusal names at its end is what begins the batch."""
    refusing = Refusing(CLOSED, OPEN, overrulable="ISSUE_CLOSED,PULL_REQUEST_OPEN")
    words = ["--force", "issue-closed", "--force", "pull-request-open"]
    code, _, errors = await run_against(refusing, "submit", "a/b", "--issues", "7,8", *words)
    assert (code, errors) == (0, "")


async def test_what_was_overruled_is_said_with_the_batch() -> None:
    """Whoever watches reads what stood in the way of the batch, and what could not be found out."""
    events = story()
    accepted = events[0].batch_accepted
    accepted.problems.add(kind=ProblemKind.PROBLEM_KIND_ISSUE_CLOSED, issue_number=7, message="Issue #7 is closed.")
    accepted.not_known.append("The rights of the token [bold].")
    code, output, errors = await run_against(ScriptedCoordinator(events), "submit", "a/b", "--issues", "7")
    assert (code, errors) == (0, "")
    assert "despite: #7 Issue #7 is closed." in output
    assert "not known: The rights of the token [bold]." in output


async def test_what_is_to_be_known_of_a_pull_request_is_said() -> None:
    """Whoever watches reads that there is another pull request of ours for the issue."""
    events = story()
    said = "Issue #7 has another open pull request of ours, #3 [bold]."
    events[1].pull_request_recorded.notes.append(said)
    code, output, _ = await run_against(ScriptedCoordinator(events), "submit", "a/b", "--issues", "7")
    assert (code, f"#7 {said}" in output) == (0, True)


async def test_again_is_said_and_taken() -> None:
    """Where only a former batch or its pull request is in the way, one word overrules both."""
    refusing = Refusing(OPEN, overrulable="PULL_REQUEST_OPEN")
    _, _, errors = await run_against(refusing, "submit", "a/b", "--issues", "8")
    assert errors.rstrip().endswith("go on with: --again")
    code, _, errors = await run_against(refusing, "submit", "a/b", "--issues", "8", "--again")
    assert (code, errors) == (0, "")


@pytest.mark.parametrize("words", [["submit", "a/b", "--issues", "7"], ["label", "a", "b", "7"]])
async def test_refusal_is_an_object_for_machines(words: list[str]) -> None:
    """With `--json` the refusal is one object on standard output, with exit code 2 and nothing else."""
    refusing = Refusing(SHADOWED, CLOSED, overrulable="ISSUE_CLOSED")
    code, output, errors = await run_against(refusing, *words, "--json")
    assert (code, errors) == (2, "")
    assert json.loads(output) == {
        "error": {
            "reason": "PROBLEMS_FOUND",
            "message": "3 problems.",
            "problems": [
                {"kind": "branch-shadowed", "about": "a/b", "problem": SHADOWED.description},
                {"kind": "issue-closed", "about": "a/b#7", "problem": CLOSED.description},
            ],
            "not_listed": 0,
            "options": "--force issue-closed",
            "cannot_be_overruled": ["branch-shadowed"],
        }
    }


@pytest.mark.parametrize("name", ["issue-close", "ISSUE_CLOSED", "repository-empty", "", "unspecified"])
async def test_wrong_kind_lists_those_there_are(name: str) -> None:
    """A kind that is none, or may not be overruled, ends the command before anything is sent."""
    code, output, errors = await miyabi("submit", "a/b", "--issues", "7", "--force", name)
    assert (code, output) == (2, "")
    assert f"--force: {name!r} is none of " in errors
    assert all(known in errors for known in overrulable())


def test_kinds_are_those_that_the_proto_lets_overrule() -> None:
    """Every kind of `overrule` has a name here, and makes its way into the request once."""
    names = list(overrulable())
    assert names == [
        "workflow-permission-missing", "issue-closed", "issue-locked", "issue-assigned", "pull-request-open",
        "issue-in-batch", "toolchain-missing",
    ]  # fmt: skip
    request = build_request("a/b", BatchOptions(issues="1", force=[*names, *names]))
    assert [kind_name(kind) for kind in request.overrule] == names
    with pytest.raises(CliError):
        kinds_of(["repository-archived"])


def test_shell_completes_kinds() -> None:
    """What has been typed of a kind is completed to those that begin so."""
    assert complete_kinds("issue-") == ["issue-closed", "issue-locked", "issue-assigned", "issue-in-batch"]
    assert complete_kinds("x") == []


class CheckingGateway(GitHubGatewayServiceServicer):
    """Answers what stands in the way of one repository."""

    def __init__(self, *problems: Problem, not_known: tuple[str, ...] = ()) -> None:
        self.answer = gateway_pb.CheckTargetResponse(problems=problems, not_known=not_known)
        self.asked: list[gateway_pb.CheckTargetRequest] = []

    async def CheckTarget(self, request: gateway_pb.CheckTargetRequest, context: Any) -> gateway_pb.CheckTargetResponse:  # noqa: N802
        self.asked.append(request)
        return self.answer


async def doctor(tmp_path: Path, gateway: CheckingGateway, **variables: str) -> tuple[int, str, str]:
    """Ask about a repository while a system runs."""
    nothing = {"GITHUB_TOKEN": "", "GH_TOKEN": "", "MIYABI_DATA_DIR": str(tmp_path)}
    async with running_server((add_GitHubGatewayServiceServicer_to_server, gateway, GATEWAY)) as target:
        return await miyabi("doctor", "acme/plain", MIYABI_GATEWAY=target, **{**nothing, **variables})


async def test_doctor_asks_the_system_that_runs(tmp_path: Path) -> None:
    """The gateway of the system says what stands in the way of a fix, and a problem is exit code 1."""
    archived = Problem(
        kind=ProblemKind.PROBLEM_KIND_REPOSITORY_ARCHIVED, message="acme/plain is archived.", remedy="Open it again."
    )
    gateway = CheckingGateway(archived, not_known=("The rights of the token.",))
    code, output, errors = await doctor(tmp_path, gateway)
    assert code == 1, errors
    (line,) = [line for line in output.splitlines() if "repository-archived" in line]
    assert "bad" in line
    assert "acme/plain is archived. Open it again." in line
    assert "The rights of the token." in output
    assert "reading the repository takes GITHUB_TOKEN" in output
    (asked,) = gateway.asked
    assert (asked.repository, asked.writes_issues, asked.writes_changes) == ("acme/plain", True, True)


async def test_doctor_ends_well_where_nothing_stands_in_the_way(tmp_path: Path) -> None:
    """What is not known is a note, and no reason to end with 1."""
    code, output, errors = await doctor(tmp_path, CheckingGateway(not_known=("The rights of the token.",)))
    assert (code, "nothing is known to stand in the way of acme/plain" in output) == (0, True), errors


@pytest.mark.parametrize(("source", "code", "words"), [(PLAIN, 0, "unittest"), ({"README": "x"}, 1, "test command")])
async def test_doctor_reads_the_repository_by_a_gateway_of_its_own(
    tmp_path: Path, source: dict[str, str], code: int, words: str
) -> None:
    """Where no system runs a gateway of the command's own asks GitHub, and it is said whether tests are recognised."""
    write(tmp_path / "source", source)
    seed = {"repositories": [{"owner": "acme", "name": "plain", "source": "source"}]}
    (tmp_path / "seed.json").write_text(json.dumps(seed))
    async with SimulatedGitHub(tmp_path / "github", token="shown-to-github") as github:
        github.load_seed(tmp_path / "seed.json")
        variables = {
            "GITHUB_TOKEN": "shown-to-github", "MIYABI_DATA_DIR": str(tmp_path / "data"),
            "MIYABI_GATEWAY": "127.0.0.1:1",
            "MIYABI_GITHUB_GATEWAY_API_URL": github.url, "MIYABI_GITHUB_GATEWAY_GIT_URL": github.url,
            "MIYABI_GITHUB_GATEWAY_GRAPHQL_URL": f"{github.url}/graphql",
        }  # fmt: skip
        ended, output, errors = await miyabi("doctor", "acme/plain", **variables)
    assert (ended, words in output) == (code, True), output + errors
    assert ("bad" in output) == (code == 1)
    assert "shown-to-github" not in output + errors


@pytest.mark.parametrize("name", ["plain", "a/b/c", "../x", "-/x"])
async def test_doctor_refuses_what_is_no_repository(name: str) -> None:
    """Neither a path nor half a name is a repository: exit code 2."""
    code, _, errors = await miyabi("doctor", "--", name)
    assert (code, "is no OWNER/REPO" in errors) == (2, True)
