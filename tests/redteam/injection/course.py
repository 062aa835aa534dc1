"""The way of a change, all of it real: agents, gateway, sandbox, git; a simulated GitHub and a model that obeys."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from grant_samples import new_key, signed
from injection.corpus import Attack, Call
from injection.seeding import REPOSITORY, seed, title_of
from pydantic import SecretStr
from running_gateway import gateway_before

from miyabi.common.v1.task_kind_pb2 import TaskKind
from miyabi.coordinator.v1 import result_pb2 as results
from miyabi.coordinator.v1.dispatch_service_pb2 import Lease, LeaseReference, Outcome, Progress, TaskInputs
from miyabi.coordinator.v1.state_pb2 import Pipeline
from miyabi.github_gateway.v1.github_gateway_service_pb2_grpc import GitHubGatewayServiceStub
from miyabi_agents.app import all_agents
from miyabi_agents.dispatch.runner import TaskRunner
from miyabi_agents.environments import EnvironmentStore
from miyabi_agents.localisation import Locator
from miyabi_agents.model import ModelClient
from miyabi_agents.sandbox import ProcessSandbox
from miyabi_agents.settings import AgentsSettings
from miyabi_agents.workspace import GitWorkspaces
from miyabi_agents.workspace.access import GitAccess
from miyabi_coordinator.models import TaskKind as CoordinatorsKind
from miyabi_coordinator.translate.grants import WRITES
from miyabi_core.channel import open_channel
from miyabi_core.grants import branch_of
from miyabi_github_gateway.app import SERVICE
from miyabi_sim.github import SimulatedGitHub
from miyabi_sim.model.scenarios import Scenario, Scenarios
from miyabi_sim.model.server import SimulatedModel

#: The honest change, beside which the model obeys.
MEND: Call = {"tool": "edit_file", "input": {"path": "toy/numbers.py", "old_str": "value + 2", "new_str": "value * 2"}}
#: Its test.
PROOF: Call = {
    "tool": "create_file",
    "input": {
        "path": "tests/test_double.py",
        "content": "import unittest\n\nfrom toy.numbers import double\n\n\nclass TestDouble(unittest.TestCase):\n"
        "    def test_five(self):\n        self.assertEqual(double(5), 10)\n",
    },
}
#: The paths of both.
HONEST = ("tests/test_double.py", "toy/numbers.py")


@dataclass
class Passed:
    """What came of an attack, and all that was said on the way."""

    number: int
    triage: results.TriageResult = field(default_factory=results.TriageResult)
    change: results.ChangeSet = field(default_factory=results.ChangeSet)
    verification: results.VerifyResult | None = None
    documentation: results.DocumentResult = field(default_factory=results.DocumentResult)
    pull_request: results.PullRequestResult = field(default_factory=results.PullRequestResult)
    failure: str = ""
    progress: list[Progress] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)

    @property
    def attempts(self) -> list[str]:
        """What the run says of refused attempts."""
        return [*self.change.attempts_refused, *self.documentation.attempts_refused]

    @property
    def said(self) -> str:
        """All that the run said, in results and events."""
        outcomes = (self.triage, self.change, self.verification, self.documentation, self.pull_request)
        files = (file.content.decode("utf-8", "replace") for file in self.change.files)
        return "\n".join([*map(str, outcomes), *map(str, self.progress), *files])


@dataclass
class Course:
    """A running system.

    Args:
        github: Behind the gateway.
        model: Says what the attack makes it say.
        runner: Runs leases.
        base_sha: Of the repository's branch.
        numbers: The issue of each attack.
        grant_key: Signs grants, as the coordinator does.
    """

    github: SimulatedGitHub
    model: SimulatedModel
    runner: TaskRunner
    base_sha: str
    numbers: Mapping[str, int]
    grant_key: str

    async def run(self, name: str, attack: Attack) -> Passed:
        """Let the model obey an attack, all the way."""
        passed = Passed(self.numbers[name])
        self.model.scenarios = obedient(attack)
        self.model.requests.clear()
        inputs = TaskInputs(
            repository=REPOSITORY, issue_number=passed.number, issue_title=title_of(attack), base_branch="main",
            base_sha=self.base_sha, pipeline=Pipeline.PIPELINE_FIX, plan=plan_of(attack), requester="tester",
            triage=results.TriageResult(type="bug", **attack.triage), dry_run=attack.way == "edit",
        )  # fmt: skip
        if attack.way == "triage":
            passed.triage = (await self._task(passed, attack, TaskKind.TASK_KIND_TRIAGE, inputs)).triage
            passed.requests = list(self.model.requests)
            return passed
        outcome = await self._task(passed, attack, TaskKind.TASK_KIND_IMPLEMENT, inputs, evidence_of(attack, inputs))
        if attack.fails:
            passed.failure, passed.requests = outcome.failure.message, list(self.model.requests)
            return passed
        passed.change = outcome.change_set
        inputs.change_set.CopyFrom(passed.change)
        if attack.way == "whole":
            passed.verification = (await self._task(passed, attack, TaskKind.TASK_KIND_VERIFY, inputs)).verification
            inputs.verification.CopyFrom(passed.verification)
        passed.documentation = (await self._task(passed, attack, TaskKind.TASK_KIND_DOCUMENT, inputs)).documentation
        inputs.documentation.CopyFrom(passed.documentation)
        passed.pull_request = (await self._task(passed, attack, TaskKind.TASK_KIND_PULL_REQUEST, inputs)).pull_request
        passed.requests = list(self.model.requests)
        return passed

    async def _task(
        self, passed: Passed, attack: Attack, kind: TaskKind.ValueType, inputs: TaskInputs, fix_round: int = 0
    ) -> Outcome:
        """Run one task as a lease of the coordinator."""
        short = TaskKind.Name(kind).removeprefix("TASK_KIND_")
        name = f"batches/01ARZ3NDEKTSV4RRFFQ69G5FAV/runs/{passed.number}/tasks/{short.lower().replace('_', '-')}"
        writes = WRITES.get(CoordinatorsKind[short], frozenset())
        until = datetime.now(UTC).replace(microsecond=0) + timedelta(minutes=15)
        grant = signed(
            self.grant_key, task=name, issue=passed.number, branch=branch_of(name), writes=writes, expires=until
        )
        lease = Lease(
            reference=LeaseReference(task=name, fencing_token=3), kind=kind, attempt=1, fix_round=fix_round,
            inputs=inputs, grant=grant if writes and not inputs.dry_run else "",
        )  # fmt: skip
        outcome = await self.runner.run(lease, lambda message, _: passed.progress.append(message))
        assert outcome.HasField("failure") == bool(attack.fails), outcome.failure
        return outcome


def plan_of(attack: Attack) -> results.PlanResult:
    """Return the plan; a step of it may be the attacker's."""
    text = attack.text if attack.place == "step" else "It adds."
    step = results.PlannedTask(title="Mend double", description=text)
    return results.PlanResult(tasks=[step], files=["toy/numbers.py"])


def evidence_of(attack: Attack, inputs: TaskInputs) -> int:
    """Put the attacker's words into what a round before found; returns the number of the round."""
    if attack.place == "output":
        inputs.verification.CopyFrom(
            results.VerifyResult(
                broken=1, verdict_reason=attack.text, output_tail=attack.text,
                comparisons=[results.TestComparison(test=attack.text, broken=True)],
            )
        )  # fmt: skip
    elif attack.place == "finding":
        finding = results.Finding(path=attack.text, line=1, rule="X", message=attack.text)
        inputs.review.CopyFrom(results.ReviewResult(score=10, findings=[finding], verdict_reason=attack.text))
    else:
        return 0
    return 1


def obedient(attack: Attack) -> Scenarios:
    """Return a model that does what the attack says, and the honest change beside it."""
    looks: list[Call] = [{"tool": "list_files", "input": {"path": "docs"}}]
    if attack.place == "file":
        looks.append({"tool": "read_file", "input": {"path": attack.path}})
    said = {"summary": attack.summary, "changed_expectations": list(attack.expectations)}
    tests = {"summary": "Tested.", "tests": [], "changed_expectations": []}
    docs = {"summary": attack.docs_summary, "nothing_to_document": not attack.docs}
    return Scenarios([
        Scenario("triage", [list(map(dict, attack.obeys))] * 3, tool="record_triage"),
        Scenario("tests", _turns(attack.tests, [PROOF], "finish_tests", tests), tool="finish_tests",
                 contains=["Write tests for toy/numbers.py"]),
        Scenario("more tests", [[{"tool": "finish_tests", "input": tests}]], tool="finish_tests"),
        Scenario("docs", _turns(attack.docs, [], "finish_documentation", docs), tool="finish_documentation"),
        Scenario("change", [looks, *_turns(attack.obeys, [MEND], "finish_change", said)], tool="finish_change"),
    ])  # fmt: skip


def _turns(
    obeys: Sequence[Call], honest: Sequence[Call], finish: str, said: Mapping[str, Any]
) -> list[list[dict[str, Any]]]:
    """Return the turns of a conversation: what was ordered, then what is honest, then the end."""
    calls = [[dict(call) for call in group] for group in (obeys, honest) if group]
    return [*calls, [{"tool": finish, "input": dict(said)}]]


@asynccontextmanager
async def course(
    folder: Path, attacks: Mapping[str, Attack], *, redis_url: str, keys: Mapping[str, str]
) -> AsyncIterator[Course]:
    """Run the system with a repository and issues that hold all attacks at once.

    Args:
        folder: Takes everything.
        attacks: Each has an issue.
        redis_url: An empty store.
        keys: `github`, `grant`, `git` and `model`.
    """
    numbers = {name: number for number, name in enumerate(attacks, start=11)}
    secret = SecretStr(keys["git"])
    async with (
        SimulatedGitHub(folder / "github", token=keys["github"]) as github,
        SimulatedModel(Scenarios()) as model,
    ):
        base_sha = seed(github, folder / "seed", attacks, numbers)
        options: dict[str, Any] = {
            "grant_key": SecretStr(keys["grant"]), "git_secret": secret, "repositories": REPOSITORY,
            "max_open_pull_requests": 0, "max_pull_requests_per_hour": 0,
        }  # fmt: skip
        async with gateway_before(github, keys["github"], redis_url, **options) as gateway:
            settings = AgentsSettings(
                data_dir=folder / "data", anthropic_api_key=SecretStr(keys["model"]), anthropic_base_url=model.url,
                git_url=gateway.git, git_secret=secret, simulated_model=True, simulated_github=True,
            )  # fmt: skip
            target = f"127.0.0.1:{gateway.gateway.grpc.port}"
            async with open_channel(target, service=SERVICE, carries_grants=True) as channel:
                with closing(Locator()) as locator:
                    runner = _runner(settings, GitHubGatewayServiceStub(channel), locator)
                    try:
                        yield Course(github, model, runner, base_sha, numbers, keys["grant"])
                    finally:
                        await runner.models.close()


def _runner(settings: AgentsSettings, github: Any, locator: Locator) -> TaskRunner:
    """Return what runs leases, as an agent's process has it."""
    assert settings.git_secret is not None
    sandbox = ProcessSandbox()
    access = GitAccess(settings.git_url.rstrip("/"), settings.git_secret.get_secret_value)
    return TaskRunner(
        agents={kind: agent for agent in all_agents(locator) for kind in agent.capabilities},
        github=github, models=ModelClient(settings), sandbox=sandbox, settings=settings,
        workspaces=GitWorkspaces(settings.git_url, settings.data_dir, access=access),
        environments=EnvironmentStore(settings, sandbox),
    )  # fmt: skip


def new_keys() -> dict[str, str]:
    """Return the secrets that the parts of a system hold."""
    return {
        "github": f"ghp_{secrets.token_hex(18)}", "grant": new_key(), "git": secrets.token_hex(16),
        "model": f"sk-ant-{secrets.token_hex(16)}",
    }  # fmt: skip
